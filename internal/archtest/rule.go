package archtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rule is one law of the tree.
type Rule struct {
	Name  string // also the directory of its planted violations
	Why   string // what goes wrong without it
	Do    string // what to do about a violation
	Check func(*Module) []Violation
}

// Violation is one place that breaks a rule.
type Violation struct {
	Path string // slash-separated, relative to the module's root
	Line int    // 0: the file or directory as a whole
	Text string // what is wrong there
}

// String is the place and what is wrong there.
func (v Violation) String() string {
	if v.Line == 0 {
		return fmt.Sprintf("%s: %s", v.Path, v.Text)
	}
	return fmt.Sprintf("%s:%d: %s", v.Path, v.Line, v.Text)
}

// Report is the text for the person who broke the rule: which rule, where, why
// there is one, what to do. It is empty if nobody did.
func (r Rule) Report(m *Module) string {
	found := r.Check(m)
	if len(found) == 0 {
		return ""
	}
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "rule %s is broken in %d place(s):\n", r.Name, len(found))
	for _, v := range found {
		fmt.Fprintf(&b, "  %s\n", v)
	}
	fmt.Fprintf(&b, "why: %s\ndo: %s", r.Why, r.Do)
	return b.String()
}

// Rules is every rule, in the order in which they are reported.
func Rules() []Rule {
	return slices.Concat(importRules(), coreRules(), placeRules(), shapeRules(), testRules(), surfaceRules())
}

// importViolations reports the imports of the chosen files that refuse
// objects to; refuse gives the reason, or "".
func importViolations(m *Module, of func(*File) bool, refuse func(*File, Import) string) []Violation {
	var found []Violation
	for _, f := range m.Files {
		if !of(f) {
			continue
		}
		for _, i := range f.Imports {
			if text := refuse(f, i); text != "" {
				found = append(found, Violation{f.Path, i.Line, text})
			}
		}
	}
	return found
}
