package sim

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryPlantedBugIsMarkedInTheCodeAndListed keeps the list and the code
// together.
func TestEveryPlantedBugIsMarkedInTheCodeAndListed(t *testing.T) {
	mark := regexp.MustCompile(`\b(?:bug|off|plant)\("([^"]+)"`)
	var marked []string
	for _, pattern := range []string{"*.go", "../../pkg/core/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, m := range mark.FindAllStringSubmatch(string(text), -1) {
				marked = append(marked, m[1])
			}
		}
	}
	var listed []string
	for _, b := range Bugs() {
		if slices.Contains(listed, b.Name) {
			t.Errorf("%q is listed twice", b.Name)
		}
		listed = append(listed, b.Name)
		if !slices.Contains(marked, b.Name) {
			t.Errorf("%q is listed and nowhere in the code", b.Name)
		}
	}
	for _, name := range marked {
		if !slices.Contains(listed, name) {
			t.Errorf("%q is in the code and not listed", name)
		}
	}
	if len(listed) < 20 {
		t.Errorf("%d bugs are planted", len(listed))
	}
}
