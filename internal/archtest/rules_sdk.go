package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

const sdkDir = "pkg/client"

// sdkIsClosed looks at what an importer of the SDK can name or be handed.
func sdkIsClosed(m *Module) []Violation {
	s := &surface{seen: map[string]bool{}}
	for _, f := range m.Files {
		if !f.Test && under(f.Dir, sdkDir) {
			s.files = append(s.files, f)
		}
	}
	for _, f := range s.files {
		s.dotImports(f)
		for _, d := range f.AST.Decls {
			for _, part := range exportedParts(d) {
				s.show(f, part)
			}
		}
	}
	return s.found
}

// surface is what is known of the SDK's exported names.
type surface struct {
	files []*File
	seen  map[string]bool // unexported names that have been followed
	found []Violation
}

// dotImports refuses what would hide where a name comes from.
func (s *surface) dotImports(f *File) {
	for _, i := range f.Imports {
		if i.Name == "." && internalPackage(i) {
			s.found = append(s.found, Violation{f.Path, i.Line, fmt.Sprintf("takes the names of %s for its own", i.local())})
		}
	}
}

// internalPackage reports whether an import is of this module and not of the SDK.
func internalPackage(i Import) bool { return i.local() != "" && !under(i.local(), sdkDir) }

// exportedParts are the type expressions and values that a declaration shows to
// importers.
func exportedParts(d ast.Decl) []ast.Node {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
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
		return &ast.CallExpr{Fun: v.Fun} // its arguments have other types
	default:
		return v
	}
}

// receiver is the name of the type that a method belongs to, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch inner := t.(type) {
		case *ast.StarExpr:
			t = inner.X
		case *ast.ParenExpr:
			t = inner.X
		case *ast.IndexExpr:
			t = inner.X
		case *ast.IndexListExpr:
			t = inner.X
		case *ast.Ident:
			return inner.Name
		default:
			return ""
		}
	}
}

// show finds mentions of internal types below n, following unexported names of
// the SDK, since an importer is handed what they stand for.
func (s *surface) show(f *File, n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			s.showFields(f, n.Fields)
			return false
		case *ast.InterfaceType:
			s.showFields(f, n.Methods)
			return false
		case *ast.Field: // of a function: the names of parameters are nobody's
			s.show(f, n.Type)
			return false
		case *ast.CallExpr:
			s.showResult(f, n.Fun)
			return false
		case *ast.SelectorExpr:
			s.leak(f, n)
			return false
		case *ast.Ident:
			s.follow(n.Name)
		}
		return true
	})
}

// showFields shows the exported fields or methods of a list, and what it embeds;
// the rest is nobody's business.
func (s *surface) showFields(f *File, list *ast.FieldList) {
	for _, field := range list.List {
		if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
			s.show(f, field.Type)
		}
	}
}

// showResult shows what a call returns, or a conversion makes.
func (s *surface) showResult(f *File, fun ast.Expr) {
	if id, ok := fun.(*ast.Ident); ok {
		for _, in := range s.files {
			for _, d := range in.AST.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == id.Name && fn.Type.Results != nil {
					s.show(in, fn.Type.Results)
					return
				}
			}
		}
	}
	s.show(f, fun)
}

// follow shows an unexported type of the SDK with its exported methods, or an
// unexported value. What is exported is looked at where it is declared.
func (s *surface) follow(name string) {
	if ast.IsExported(name) || s.seen[name] {
		return
	}
	s.seen[name] = true
	for _, f := range s.files {
		for _, d := range f.AST.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if receiver(d) == name && d.Name.IsExported() || d.Recv == nil && d.Name.Name == name {
					s.show(f, d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					s.followSpec(f, spec, name)
				}
			}
		}
	}
}

func (s *surface) followSpec(f *File, spec ast.Spec, name string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.Name != name {
			return
		}
		s.show(f, spec.Type)
		if spec.TypeParams != nil {
			s.show(f, spec.TypeParams)
		}
	case *ast.ValueSpec:
		for n, id := range spec.Names {
			switch {
			case id.Name != name:
			case spec.Type != nil:
				s.show(f, spec.Type)
			case len(spec.Names) == len(spec.Values):
				s.show(f, typeOfValue(spec.Values[n]))
			case len(spec.Values) == 1: // several results of one call
				s.show(f, typeOfValue(spec.Values[0]))
			}
		}
	}
}

func (s *surface) leak(f *File, sel *ast.SelectorExpr) {
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return
	}
	for _, i := range f.Imports {
		if i.Name == id.Name && internalPackage(i) {
			s.found = append(s.found, Violation{f.Path, f.line(sel), fmt.Sprintf("shows %s.%s, a type of %s", id.Name, sel.Sel.Name, i.local())})
		}
	}
}
