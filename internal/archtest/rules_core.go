package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

// pureList is the standard library of the core: nothing on it blocks, reads,
// writes or looks at a clock, apart from what corePure forbids by name.
var pureList = []string{
	"cmp", "container/heap", "encoding/hex", "errors", "fmt", "hash/fnv", "iter", "maps", "math", "math/bits",
	"slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// coreRules are rule 1 of house.md section 2 and the purity that it is for.
func coreRules() []Rule {
	return []Rule{
		{
			Name:  "core-imports",
			Why:   "the core is run by the simulator millions of times from one seed; that is only possible while it touches nothing.",
			Do:    "take what you need as an argument or an event; a new name for the list of pure packages needs a reason in review.",
			Check: coreImports,
		},
		{
			Name:  "core-is-pure",
			Why:   "a clock, a goroutine or a print inside the core makes a seed unrepeatable.",
			Do:    "time enters with the event; work is a heap that the owner drives; whoever steps the core prints.",
			Check: corePure,
		},
	}
}

func inCore(f *File) bool { return !f.Test && under(f.Dir, "pkg/core") }

func coreImports(m *Module) []Violation {
	return importViolations(m, inCore, func(f *File, i Import) string {
		inTask := under(f.Dir, "pkg/core/task")
		switch {
		case inTask && i.Path == "fmt":
			return "core/task imports fmt: every end-process would carry it"
		case inTask && i.local() != "":
			return fmt.Sprintf("core/task imports %s: it stands alone", i.local())
		case under(i.local(), "pkg/core"), slices.Contains(pureList, i.Path):
			return ""
		default:
			return fmt.Sprintf("imports %s, which is not on the core's list", i.Path)
		}
	})
}

func corePure(m *Module) []Violation {
	var found []Violation
	for _, f := range m.Files {
		if !inCore(f) {
			continue
		}
		clock := f.uses("time", "Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
			"Sleep", "Timer", "Ticker", "Local", "LoadLocation")
		for _, sel := range clock {
			found = append(found, Violation{f.Path, f.line(sel), "uses time." + sel.Sel.Name + ": time is data here"})
		}
		for _, sel := range f.uses("fmt", "Print", "Printf", "Println", "Scan", "Scanf", "Scanln") {
			found = append(found, Violation{f.Path, f.line(sel), "uses fmt." + sel.Sel.Name + ": the core does no I/O"})
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if text := impure(n); text != "" {
				found = append(found, Violation{f.Path, f.line(n), text})
			}
			return true
		})
	}
	return found
}

// impure says what is wrong with a statement in the core, "" if nothing.
func impure(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "starts a goroutine"
	case *ast.ChanType:
		return "has a channel, which is only of use between goroutines"
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			return "prints"
		}
	}
	return ""
}
