package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// majorSuffix is the last part of an import path that names a major version
// and not a package.
var majorSuffix = regexp.MustCompile(`^v[0-9]+$`)

// newImport guesses the name of an unnamed import from its path, which is
// right for the standard library and for this module.
func newImport(f *File, spec *ast.ImportSpec) Import {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		p = spec.Path.Value
	}
	i := Import{Path: p, Name: path.Base(p), Line: f.line(spec)}
	if majorSuffix.MatchString(i.Name) {
		// Generated packages are named as their directory and version together.
		i.Name = path.Base(path.Dir(p))
		if under(i.local(), "api/gen") {
			i.Name += path.Base(p)
		}
	}
	if spec.Name != nil {
		i.Name = spec.Name.Name
	}
	return i
}

// local is the directory of an import of this module, and "" for any other.
func (i Import) local() string {
	if dir, ok := strings.CutPrefix(i.Path, ModulePath+"/"); ok {
		return dir
	}
	return ""
}

// std reports whether the import is of the standard library.
func (i Import) std() bool {
	first, _, _ := strings.Cut(i.Path, "/")
	return !strings.Contains(first, ".")
}

func (f *File) line(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// name is what the file calls an imported package, "" if it does not import it.
func (f *File) name(importPath string) string {
	for _, i := range f.Imports {
		if i.Path == importPath {
			return i.Name
		}
	}
	return ""
}

// uses lists the places where the file mentions pkg.Name for one of the names.
func (f *File) uses(importPath string, names ...string) []*ast.SelectorExpr {
	local := f.name(importPath)
	if local == "" {
		return nil
	}
	var found []*ast.SelectorExpr
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		for _, name := range names {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local && sel.Sel.Name == name {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}

// under reports whether a path is one of the directories or below one.
func under(p string, dirs ...string) bool {
	for _, dir := range dirs {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// testSupport reports whether a directory exists for tests alone.
func testSupport(dir string) bool {
	return under(dir, "e2e", "internal/archtest", "internal/bugs", "internal/cctest", "internal/fakehost", "internal/sim") || conformance(dir)
}

// conformance reports whether a directory is the suite of a seam: a package
// such as storetest, which fake and real are run against.
func conformance(dir string) bool {
	return slices.Contains([]string{"storetest", "coordtest", "executortest"}, path.Base(dir))
}

// isDevelopmentTool reports whether a file is of what runs a cluster on the
// machine of whoever works on the project.
func (f *File) isDevelopmentTool() bool {
	return !f.Test && under(f.Dir, "cmd/devcluster", "cmd/swarm", "internal/devcluster", "internal/etcdserver")
}

// ships reports whether a file is part of the product: neither test nor test
// support.
func (f *File) ships() bool { return !f.isTestCode() && under(f.Dir, "cmd", "internal", "pkg") }

func (f *File) isTestCode() bool { return f.Test || testSupport(f.Dir) }
