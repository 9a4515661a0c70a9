package archtest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/internal/archtest"
)

const planted = "testdata/violations"

// Each rule has a directory of its own: a small module and beside it a .want
// file that says which lines must be reported. What else is in the module is
// right, and must not be.
func TestEveryPlantedViolationIsReported(t *testing.T) {
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			dir := filepath.Join(planted, rule.Name)
			m := load(t, dir)
			var got []string
			for _, v := range rule.Check(m) {
				got = append(got, v.String())
			}
			want := wanted(t, dir+".want")
			for _, line := range want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, line) }) {
					t.Errorf("planted, but not reported: %s", line)
				}
			}
			for _, line := range got {
				if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(line, w) }) {
					t.Errorf("reported, but not planted: %s", line)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d violations are planted, %d reported", len(want), len(got))
			}
		})
	}
}

func TestAReportSaysWhichRuleWhyAndWhatToDo(t *testing.T) {
	for _, rule := range archtest.Rules() {
		if rule.Why == "" || rule.Do == "" {
			t.Errorf("rule %s does not say why it exists or what to do", rule.Name)
		}
		report := rule.Report(load(t, filepath.Join(planted, rule.Name)))
		for _, part := range []string{"rule " + rule.Name, "why: " + rule.Why, "do: " + rule.Do} {
			if !strings.Contains(report, part) {
				t.Errorf("the report of %s lacks %q:\n%s", rule.Name, part, report)
			}
		}
	}
}

func TestEveryPlantedModuleBelongsToARule(t *testing.T) {
	entries, err := os.ReadDir(planted)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".want")
		if !slices.ContainsFunc(archtest.Rules(), func(r archtest.Rule) bool { return r.Name == name }) {
			t.Errorf("%s/%s proves no rule", planted, e.Name())
		}
	}
}

func TestARightModuleBreaksNoRule(t *testing.T) {
	m := load(t, "testdata/right")
	for _, rule := range archtest.Rules() {
		if report := rule.Report(m); report != "" {
			t.Error(report)
		}
	}
}

func load(t *testing.T, dir string) *archtest.Module {
	t.Helper()
	m, err := archtest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wanted reads the planted violations: each line is how a report begins.
func wanted(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the rule is not proved: %v", err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return l == "" })
	if len(lines) == 0 {
		t.Fatal("the rule is not proved: nothing is planted")
	}
	return lines
}
