package archtest_test

import (
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/internal/archtest"
)

func TestTheTreeKeepsItsRules(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	m, err := archtest.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) == 0 {
		t.Fatalf("found no Go file below %s, so nothing was checked", root)
	}
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if report := rule.Report(m); report != "" {
				t.Error(report)
			}
		})
	}
}
