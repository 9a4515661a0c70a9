package fleet

import (
	"cmp"
	"slices"
	"strings"
)

// Limits of a selector.
const (
	MaxSelector = 4096 // bytes
	MaxTerms    = 64
)

// Built-in keys of a selector; "host" means KeyID.
const (
	KeyRoom = "room"
	KeyID   = "id"
)

// wordMarks are the characters of a value beside letters and digits.
const wordMarks = "._-/:@+~"

type operator uint8

const (
	opExists operator = iota // key
	opAbsent                 // !key
	opIn                     // key=value, key in (values)
	opNotIn                  // key!=value, key notin (values); true where the key is absent
)

type term struct {
	key    string
	op     operator
	values []string // ascending, each once; none for opExists and opAbsent
}

// Selector is a condition on hosts: terms that must all hold. The zero value
// has no term and matches nothing, as an empty query does. It is immutable and
// safe for concurrent use.
type Selector struct {
	terms []term // ascending, each once
}

// IsZero reports whether s has no term.
func (s Selector) IsZero() bool { return len(s.terms) == 0 }

// Match reports whether every term holds for h. As in Kubernetes, `key!=value`
// and `key notin (values)` hold for a host that does not have the key.
func (s Selector) Match(h Host) bool {
	for _, t := range s.terms {
		value, has := lookup(h, t.key)
		var holds bool
		switch t.op {
		case opExists:
			holds = has
		case opAbsent:
			holds = !has
		case opIn:
			holds = has && t.contains(value)
		case opNotIn:
			holds = !has || !t.contains(value)
		}
		if !holds {
			return false
		}
	}
	return len(s.terms) > 0
}

// String returns the canonical text: terms and values in ascending order, each
// once, in the shortest form. ParseSelector of it gives s again.
func (s Selector) String() string {
	var b strings.Builder
	for i, t := range s.terms {
		if i > 0 {
			b.WriteByte(',')
		}
		t.write(&b)
	}
	return b.String()
}

// allowed returns the values of key that hosts can have where s matches, and
// whether s says so at all.
func (s Selector) allowed(key string) (values []string, limited bool) {
	for _, t := range s.terms {
		if t.key != key || t.op != opIn {
			continue
		}
		if limited {
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !t.contains(v) })
		} else {
			values, limited = t.values, true
		}
	}
	return values, limited
}

func (t term) contains(value string) bool {
	_, found := slices.BinarySearch(t.values, value)
	return found
}

func (t term) write(b *strings.Builder) {
	if t.op == opAbsent {
		b.WriteByte('!')
	}
	b.WriteString(t.key)
	single := len(t.values) == 1
	switch {
	case t.op == opIn && single:
		b.WriteString("=" + t.values[0])
	case t.op == opNotIn && single:
		b.WriteString("!=" + t.values[0])
	case t.op == opIn:
		b.WriteString(" in (" + strings.Join(t.values, ",") + ")")
	case t.op == opNotIn:
		b.WriteString(" notin (" + strings.Join(t.values, ",") + ")")
	}
}

func compareTerms(a, b term) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.op, b.op), slices.Compare(a.values, b.values))
}

func equalTerms(a, b term) bool { return compareTerms(a, b) == 0 }

// lookup returns what h has under a key of the selector language.
func lookup(h Host, key string) (string, bool) {
	switch key {
	case KeyRoom:
		return string(h.Room), true
	case KeyID:
		return string(h.ID), true
	}
	if fact, ok := strings.CutPrefix(key, FactPrefix); ok {
		value, has := h.Facts[fact]
		return value, has
	}
	value, has := h.Labels[key]
	return value, has
}

func isBuiltIn(key string) bool { return key == KeyRoom || key == KeyID || key == "host" }

func isKey(text string) bool {
	if text == "" || len(text) > MaxKey || !isAlnum(text[0]) {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool { return !isKeyChar(r) }) < 0
}

func isWord(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return !isWordChar(r) }) < 0
}

func isKeyChar(r rune) bool {
	return r < 0x80 && (isAlnum(byte(r)) || strings.ContainsRune("._/-", r))
}

func isWordChar(r rune) bool {
	return r < 0x80 && (isAlnum(byte(r)) || strings.ContainsRune(wordMarks, r))
}

func isAlnum(c byte) bool { return isLowerAlnum(c) || c >= 'A' && c <= 'Z' }
