package archtest

import (
	"fmt"
	"path"
	"slices"
)

// The figures of house.md section 5, in lines.
const (
	medianLines = 110 // half of the files are no longer
	usualLines  = 400 // 90 % of the files are no longer
	mostLines   = 800 // no file is longer
	mainLines   = 150 // no main.go is longer

	testPerCode     = 1.1
	testPerCodeCore = 1.5
)

// shapeRules say how long files may be and how much of the tree is test.
func shapeRules() []Rule {
	return []Rule{
		{
			Name:  "file-sizes",
			Why:   "a file that knows everything is how systems like this one end: nobody reads it whole again.",
			Do:    "split it by noun; what is left in main.go belongs to cmd/internal/setup or a package.",
			Check: fileSizes,
		},
		{
			Name:  "tests-outweigh-code",
			Why:   "the promises are only as good as what tries to break them.",
			Do:    "write the missing tests for the packages with the least; do not pad.",
			Check: testsOutweighCode,
		},
	}
}

func fileSizes(m *Module) []Violation {
	var found []Violation
	var sizes []int
	usual := 0
	for _, f := range m.Files {
		if f.Generated {
			continue
		}
		if f.Lines > mostLines {
			found = append(found, Violation{f.Path, 0, fmt.Sprintf("%d lines, none may have more than %d", f.Lines, mostLines)})
		}
		if path.Base(f.Path) == "main.go" && f.Lines > mainLines {
			found = append(found, Violation{f.Path, 0, fmt.Sprintf("%d lines, a main.go may have %d", f.Lines, mainLines)})
		}
		if f.Test {
			continue
		}
		sizes = append(sizes, f.Lines)
		if f.Lines <= usualLines {
			usual++
		}
	}
	if len(sizes) == 0 {
		return found
	}
	slices.Sort(sizes)
	if median := sizes[(len(sizes)-1)/2]; median > medianLines {
		found = append(found, Violation{".", 0, fmt.Sprintf("the median file has %d lines, it may have %d", median, medianLines)})
	}
	if usual*10 < len(sizes)*9 {
		found = append(found, Violation{".", 0, fmt.Sprintf("%d of %d files have at most %d lines, it must be 90 %%", usual, len(sizes), usualLines)})
	}
	return found
}

// testsOutweighCode counts test support (internal, e2e) as test: it ships to
// nobody. The tools of development are neither: no user depends on them, and
// no promise is tried by their lines.
func testsOutweighCode(m *Module) []Violation {
	var code, test, coreCode, coreTest int
	for _, f := range m.Files {
		switch {
		case f.Generated || f.isDevelopmentTool():
		case f.ships():
			code += f.Lines
			if under(f.Dir, "pkg/core") {
				coreCode += f.Lines
			}
		default:
			test += f.Lines
			if under(f.Dir, "pkg/core") {
				coreTest += f.Lines
			}
		}
	}
	var found []Violation
	if v, ok := tooFewTests(".", test, code, testPerCode); ok {
		found = append(found, v)
	}
	if v, ok := tooFewTests("pkg/core", coreTest, coreCode, testPerCodeCore); ok {
		found = append(found, v)
	}
	return found
}

func tooFewTests(where string, test, code int, least float64) (Violation, bool) {
	if float64(test) >= least*float64(code) {
		return Violation{}, false
	}
	return Violation{where, 0, fmt.Sprintf("%d lines of test for %d of code: %.2f, it must be %.1f",
		test, code, float64(test)/float64(code), least)}, true
}
