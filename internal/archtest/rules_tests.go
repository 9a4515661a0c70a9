package archtest

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
)

// testRules say what makes a test lie or flake, and what runs unasked.
func testRules() []Rule {
	return []Rule{
		{
			Name:  "no-init",
			Why:   "what init does happens to every program that imports the package, in an order that nobody wrote.",
			Do:    "make a constructor and call it where the parts are put together.",
			Check: noInit,
		},
		{
			Name:  "no-sleeps-in-tests",
			Why:   "a sleep is too short on a busy machine and too long on all others.",
			Do:    "poll the condition on a ticker under a deadline that says what is missing, or run in a testing/synctest bubble, where sleeping takes no time.",
			Check: noSleepsInTests,
		},
		{
			Name:  "no-silent-skips",
			Why:   "a test that is skipped without a word looks like one that passed.",
			Do:    "say in t.Skip what is missing and how to get it; better, get it.",
			Check: noSilentSkips,
		},
	}
}

func noInit(m *Module) []Violation {
	var found []Violation
	for _, f := range m.Files {
		if f.Generated {
			continue
		}
		for _, d := range f.AST.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, Violation{f.Path, f.line(fn), "has an init function"})
			}
		}
	}
	return found
}

func noSleepsInTests(m *Module) []Violation {
	var found []Violation
	for _, f := range m.Files {
		if !f.isTestCode() {
			continue
		}
		bubbles := f.bubbles()
		for _, sel := range f.uses("time", "Sleep") {
			inBubble := func(n ast.Node) bool { return n.Pos() <= sel.Pos() && sel.Pos() < n.End() }
			if !slices.ContainsFunc(bubbles, inBubble) {
				found = append(found, Violation{f.Path, f.line(sel), "sleeps outside a synctest bubble"})
			}
		}
	}
	return found
}

// bubbles lists the code of the file that runs under synctest's clock: what is
// written in the call, and functions of the file that are handed to it.
func (f *File) bubbles() []ast.Node {
	calls := f.uses("testing/synctest", "Test")
	var bubbles []ast.Node
	named := map[string]bool{}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(calls, sel) {
			bubbles = append(bubbles, call)
			for _, arg := range call.Args {
				if id, ok := arg.(*ast.Ident); ok {
					named[id.Name] = true
				}
			}
		}
		return true
	})
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && named[fn.Name.Name] {
			bubbles = append(bubbles, fn)
		}
	}
	return bubbles
}

func noSilentSkips(m *Module) []Violation {
	var found []Violation
	for _, f := range m.Files {
		if !f.isTestCode() || f.name("testing") == "" {
			continue
		}
		for _, pos := range f.silentSkips() {
			line := f.fset.Position(pos).Line
			found = append(found, Violation{f.Path, line, "skips without a reason"})
		}
	}
	return found
}

// silentSkips finds SkipNow and Skip without arguments on a parameter that is
// testing's; rapid's T has a Skip of its own that only discards an input.
func (f *File) silentSkips() []token.Pos {
	var found []token.Pos
	var visit func(ast.Node, map[string]bool)
	visit = func(n ast.Node, params map[string]bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Body != nil {
					visit(n.Body, f.testParams(n.Type, params))
				}
				return false
			case *ast.FuncLit:
				visit(n.Body, f.testParams(n.Type, params))
				return false
			case *ast.CallExpr:
				if silentSkip(n, params) {
					found = append(found, n.Pos())
				}
			}
			return true
		})
	}
	visit(f.AST, nil)
	return found
}

func silentSkip(call *ast.CallExpr, params map[string]bool) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 0 || (sel.Sel.Name != "Skip" && sel.Sel.Name != "SkipNow") {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && params[id.Name]
}

// testParams is which names are testing's inside a function, given which are
// outside it.
func (f *File) testParams(fn *ast.FuncType, outer map[string]bool) map[string]bool {
	inner := map[string]bool{}
	maps.Copy(inner, outer)
	for _, field := range fn.Params.List {
		for _, name := range field.Names {
			inner[name.Name] = f.isTesting(field.Type)
		}
	}
	return inner
}

func (f *File) isTesting(t ast.Expr) bool {
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	sel, ok := t.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == f.name("testing") && sel.Sel.Name != "M"
}
