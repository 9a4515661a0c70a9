package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

const sdkDir = "pkg/client"

// sdkIsClosed looks at what an importer of the SDK can name or be handed.
func sdkIsClosed(m *Module) []Violation {
	var files []*File
	for _, f := range m.Files {
		if !f.Test && under(f.Dir, sdkDir) {
			files = append(files, f)
		}
	}
	var found []Violation
	for _, f := range files {
		for _, d := range f.AST.Decls {
			for _, t := range exportedParts(d) {
				found = append(found, leaks(files, f, t, map[string]bool{})...)
			}
		}
	}
	return found
}

// exportedParts are the type expressions and values that a declaration shows to
// importers.
func exportedParts(d ast.Decl) []ast.Node {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
			return []ast.Node{d.Type}
		}
	case *ast.GenDecl:
		var parts []ast.Node
		for _, s := range d.Specs {
			parts = append(parts, exportedSpec(s)...)
		}
		return parts
	}
	return nil
}

func exportedSpec(s ast.Spec) []ast.Node {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.TypeParams != nil {
			return []ast.Node{s.Type, s.TypeParams}
		}
		if s.Name.IsExported() {
			return []ast.Node{s.Type}
		}
	case *ast.ValueSpec:
		if !slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
			return nil
		}
		if s.Type != nil {
			return []ast.Node{s.Type}
		}
		var parts []ast.Node
		for n, v := range s.Values {
			if len(s.Names) != len(s.Values) || s.Names[n].IsExported() {
				parts = append(parts, typeOfValue(v))
			}
		}
		return parts
	}
	return nil
}

// typeOfValue is the part of an expression that its type comes from.
func typeOfValue(v ast.Expr) ast.Node {
	switch v := v.(type) {
	case *ast.CompositeLit:
		return v.Type
	case *ast.FuncLit:
		return v.Type
	case *ast.UnaryExpr:
		return typeOfValue(v.X)
	case *ast.CallExpr:
		return v.Fun
	default:
		return v
	}
}

func exportedReceiver(recv *ast.FieldList) bool {
	exported := false
	ast.Inspect(recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.IsExported() {
			exported = true
		}
		return true
	})
	return exported
}

// leaks finds mentions of forbidden types below n, following unexported types
// of the SDK, since an importer is handed those too.
func leaks(files []*File, f *File, n ast.Node, seen map[string]bool) []Violation {
	var found []Violation
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					found = append(found, leaks(files, f, field.Type, seen)...)
				}
			}
			return false // unexported fields are nobody's business
		case *ast.SelectorExpr:
			if v, ok := leak(f, n); ok {
				found = append(found, v)
			}
			return false
		case *ast.Ident:
			if in, t := unexportedType(files, n.Name); t != nil && !seen[n.Name] {
				seen[n.Name] = true
				found = append(found, leaks(files, in, t, seen)...)
			}
		}
		return true
	})
	return found
}

// unexportedType is the definition of an unexported type of the SDK, nil if
// there is none of that name.
func unexportedType(files []*File, name string) (*File, ast.Expr) {
	if ast.IsExported(name) {
		return nil, nil
	}
	for _, f := range files {
		for _, d := range f.AST.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range gen.Specs {
				if t, ok := s.(*ast.TypeSpec); ok && t.Name.Name == name {
					return f, t.Type
				}
			}
		}
	}
	return nil, nil
}

func leak(f *File, sel *ast.SelectorExpr) (Violation, bool) {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return Violation{}, false
	}
	for _, i := range f.Imports {
		if i.Name == id.Name && under(i.local(), "pkg/core", generatedDir) {
			return Violation{f.Path, f.line(sel), fmt.Sprintf("shows %s.%s, a type of %s", id.Name, sel.Sel.Name, i.local())}, true
		}
	}
	return Violation{}, false
}
