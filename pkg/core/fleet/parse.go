package fleet

import (
	"fmt"
	"slices"
	"strings"
)

// ParseSelector reads a selector, or returns a *SyntaxError. The grammar is
// that of Kubernetes' set-based selectors; white space between tokens is free:
//
//	selector = term { "," term }
//	term     = "!" key | key | key ( "=" | "==" | "!=" ) value
//	         | key ( "in" | "notin" ) "(" value { "," value } ")"
//
// A key is `room`, `id` (or `host`), a label, or `fact.` and a fact.
func ParseSelector(text string) (Selector, error) {
	p := parser{text: text}
	if len(text) > MaxSelector {
		p.pos = MaxSelector
		return Selector{}, p.expected(fmt.Sprintf("the end: a selector has at most %d bytes", MaxSelector))
	}
	var terms []term
	for {
		if p.skipSpace(); len(terms) == MaxTerms {
			return Selector{}, p.expected(fmt.Sprintf("the end: a selector has at most %d terms", MaxTerms))
		}
		t, err := p.term()
		if err != nil {
			return Selector{}, err
		}
		terms = append(terms, t)
		if p.atEnd() {
			break
		}
		if !p.take(",") {
			return Selector{}, p.expected(p.afterTerm(t))
		}
	}
	slices.SortFunc(terms, compareTerms)
	return Selector{terms: slices.CompactFunc(terms, equalTerms)}, nil
}

// parser stands at pos in text. Every method but word and skipSpace leaves it
// before the next token, or where an error is to point.
type parser struct {
	text string
	pos  int
}

func (p *parser) expected(what string) error {
	return &SyntaxError{Text: p.text, Pos: p.pos, Expected: what}
}

func (p *parser) atEnd() bool {
	p.skipSpace()
	return p.pos == len(p.text)
}

func (p *parser) skipSpace() {
	rest := strings.TrimLeft(p.text[p.pos:], " \t\r\n")
	p.pos = len(p.text) - len(rest)
}

// take steps over token if it comes next.
func (p *parser) take(token string) bool {
	p.skipSpace()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

// word steps over the longest run of accepted characters.
func (p *parser) word(accept func(rune) bool) string {
	rest := p.text[p.pos:]
	end := strings.IndexFunc(rest, func(r rune) bool { return !accept(r) })
	if end < 0 {
		end = len(rest)
	}
	p.pos += end
	return rest[:end]
}

func (p *parser) term() (term, error) {
	if p.take("!") {
		key, err := p.key()
		return term{key: key, op: opAbsent}, err
	}
	key, err := p.key()
	if err != nil {
		return term{}, err
	}
	if op, ok := p.comparison(); ok {
		value, err := p.value()
		return term{key: key, op: op, values: []string{value}}, err
	}
	op, ok := p.setOperator()
	if !ok {
		return term{key: key, op: opExists}, nil
	}
	values, err := p.set()
	return term{key: key, op: op, values: values}, err
}

// comparison steps over "=", "==" or "!=".
func (p *parser) comparison() (operator, bool) {
	switch {
	case p.take("!="):
		return opNotIn, true
	case p.take("=="), p.take("="):
		return opIn, true
	}
	return 0, false
}

// setOperator steps over "in" or "notin" as a word of its own.
func (p *parser) setOperator() (operator, bool) {
	p.skipSpace()
	start := p.pos
	switch p.word(isWordChar) {
	case "in":
		return opIn, true
	case "notin":
		return opNotIn, true
	}
	p.pos = start
	return 0, false
}

func (p *parser) key() (string, error) {
	p.skipSpace()
	start := p.pos
	key := p.word(isKeyChar)
	if key == "host" {
		key = KeyID
	}
	bare := strings.TrimPrefix(key, FactPrefix)
	if !isKey(bare) {
		p.pos = start
		return "", p.expected("a key such as room, app or fact.os")
	}
	return key, nil
}

func (p *parser) value() (string, error) {
	p.skipSpace()
	start := p.pos
	value := p.word(isWordChar)
	if value == "" {
		return "", p.expected("a value of letters, digits and " + wordMarks)
	}
	if len(value) > MaxFactValue {
		p.pos = start
		return "", p.expected(fmt.Sprintf("a value of at most %d characters", MaxFactValue))
	}
	return value, nil
}

// set reads "(" value { "," value } ")".
func (p *parser) set() ([]string, error) {
	if !p.take("(") {
		return nil, p.expected("'(' and the values, such as (web,api)")
	}
	var values []string
	for {
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if p.take(")") {
			slices.Sort(values)
			return slices.Compact(values), nil
		}
		if !p.take(",") {
			return nil, p.expected("',' or ')'")
		}
	}
}

// afterTerm says what may follow t.
func (p *parser) afterTerm(t term) string {
	if t.op == opExists {
		return "'=', '!=', 'in', 'notin', or ',' and the next term"
	}
	return "',' and the next term, or the end"
}
