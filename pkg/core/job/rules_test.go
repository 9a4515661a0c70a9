package job

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proofs are the rules of docs/rollout.md and what says of itself that it tries
// them: properties and transcripts of this package, and tests of any kind here and
// in the shells.
type proofs struct{ property, transcript, test map[string][]string }

// rulesIn reads all lines such as "Rules: pause resume".
func rulesIn(text string) (rules []string) {
	for _, line := range regexp.MustCompile(`(?m)^(?:# |// )?Rules: (.*)$`).FindAllStringSubmatch(text, -1) {
		rules = append(rules, strings.Fields(line[1])...)
	}
	return rules
}

// ofTests reads the comments of test functions in a directory.
func (p *proofs) ofTests(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Doc == nil || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			body := string(text[fset.Position(f.Body.Pos()).Offset:fset.Position(f.Body.End()).Offset])
			for _, rule := range rulesIn(f.Doc.Text()) {
				p.test[rule] = append(p.test[rule], f.Name.Name)
				if dir == "." && strings.Contains(body, "rapid.Check(") {
					p.property[rule] = append(p.property[rule], f.Name.Name)
				}
			}
		}
	}
}

func (p *proofs) ofTranscripts(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rules := rulesIn(string(text))
		if len(rules) == 0 {
			t.Errorf("%s does not say which rules it shows", file)
		}
		for _, rule := range rules {
			p.transcript[rule] = append(p.transcript[rule], file)
		}
	}
}

// TestEveryRuleOfARolloutIsTriedByAPropertyAndShownByATranscript holds the table at
// the end of docs/rollout.md against what the tests say that they try. Whether they
// try it well is shown by the bugs that are planted (make planted-bugs).
func TestEveryRuleOfARolloutIsTriedByAPropertyAndShownByATranscript(t *testing.T) {
	text, err := os.ReadFile("../../../docs/rollout.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &proofs{map[string][]string{}, map[string][]string{}, map[string][]string{}}
	for _, dir := range []string{".", "../../tier/scheduler", "../../tier/scheduler/summary", "../../tier/agent"} {
		p.ofTests(t, dir)
	}
	p.ofTranscripts(t)
	var stated []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (job|around it) \\|").FindAllStringSubmatch(string(text), -1) {
		rule, whose := row[1], row[2]
		if slices.Contains(stated, rule) {
			t.Errorf("rule %s is stated twice", rule)
		}
		stated = append(stated, rule)
		switch {
		case whose == "around it" && len(p.test[rule]) == 0:
			t.Errorf("rule %s is tried by no test: write one whose comment says \"Rules: %s\"", rule, rule)
		case whose == "job" && len(p.property[rule]) == 0:
			t.Errorf("rule %s is tried by no property test", rule)
		case whose == "job" && len(p.transcript[rule]) == 0:
			t.Errorf("rule %s is shown by no transcript", rule)
		}
	}
	if len(stated) < 20 {
		t.Errorf("only %d rules are stated: %v", len(stated), stated)
	}
	for _, named := range []map[string][]string{p.test, p.transcript} {
		for rule, by := range named {
			if !slices.Contains(stated, rule) {
				t.Errorf("%v try rule %q, which docs/rollout.md does not state", by, rule)
			}
		}
	}
}
