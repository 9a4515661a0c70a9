package bugs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the module, seen from here.
const root = "../.."

// mark is how a bug is planted in a shell.
var mark = regexp.MustCompile(`\bplanted\.(?:Bug|Do)\("([^"]+)"`)

// TestEveryPlantedBugIsMarkedInTheCodeAndListed keeps the list and the code
// together.
func TestEveryPlantedBugIsMarkedInTheCodeAndListed(t *testing.T) {
	var names []string
	listed := map[string]bool{}
	for _, b := range List() {
		if slices.Contains(names, b.Name) {
			t.Errorf("%q is listed twice", b.Name)
		}
		names = append(names, b.Name)
		listed[b.Where+": "+b.Name] = true
	}
	for place, times := range marks(t) {
		if times != 1 {
			t.Errorf("%q is at %d places: a bug is one line", place, times)
		}
		if !listed[place] {
			t.Errorf("%q is in the code and not listed", place)
		}
		delete(listed, place)
	}
	for place := range listed {
		t.Errorf("%q is listed and not in the code", place)
	}
	if len(names) < 20 {
		t.Errorf("%d bugs are planted", len(names))
	}
}

// marks counts the marks in what ships, by package and name.
func marks(t *testing.T) map[string]int {
	t.Helper()
	found := map[string]int{}
	err := filepath.WalkDir(filepath.Join(root, "pkg"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range mark.FindAllStringSubmatch(string(text), -1) {
			found[filepath.ToSlash(dir)+": "+m[1]]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryBugNamesATestThatIsThere(t *testing.T) {
	for _, b := range List() {
		name, _, _ := strings.Cut(b.Test, "/")
		files, err := filepath.Glob(filepath.Join(root, b.Home(), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		there := slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)")
		})
		if !there || b.Promise == "" {
			t.Errorf("%q: %s has no %s, or it breaks no promise (%q)", b.Name, b.Home(), name, b.Promise)
		}
	}
}
