package limits

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// module begins the import paths of this repository.
const module = "github.com/ccs-project/ccs/"

// bounding is how constants are named that bound something.
var bounding = regexp.MustCompile(`^([mM]ax|[mM]ost)[A-Z]|^[mM]ost$|^queueLen$|[a-z]Window$`)

// elsewhere are directories that are not looked at: what tests read, and the
// programs that a person types, which hold nothing of anybody else.
var elsewhere = []string{"testdata", "ccsctl", "devcluster", "swarm"}

// Source is the Go files below a root, parsed and not built.
type Source struct {
	root  string
	fset  *token.FileSet
	files map[string][]*ast.File // by directory, relative to root
}

// ReadSource parses the packages below pkg and cmd of a module.
func ReadSource(root string) (*Source, error) {
	s := &Source{root: root, fset: token.NewFileSet(), files: map[string][]*ast.File{}}
	for _, top := range []string{"pkg", "cmd"} {
		if err := filepath.WalkDir(filepath.Join(root, top), s.visit); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Source) visit(file string, entry fs.DirEntry, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a module without programs
	case err != nil:
		return err
	case entry.IsDir() && slices.Contains(elsewhere, entry.Name()):
		return filepath.SkipDir
	case entry.IsDir() || !strings.HasSuffix(file, ".go"):
		return nil
	}
	parsed, err := parser.ParseFile(s.fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir, err := filepath.Rel(s.root, filepath.Dir(file))
	if err != nil {
		return err
	}
	dir = filepath.ToSlash(dir)
	s.files[dir] = append(s.files[dir], parsed)
	return nil
}

func (s *Source) isTest(f *ast.File) bool {
	return strings.HasSuffix(s.fset.File(f.Pos()).Name(), "_test.go")
}

// Dir is the directory of a row's package.
func Dir(at string) string {
	if strings.HasPrefix(at, "cmd/") {
		return at
	}
	return path.Join("pkg", at)
}

// at is the reverse of Dir.
func at(dir string) string { return strings.TrimPrefix(dir, "pkg/") }

// Bounding is the constants that bound something by their names, as package and
// name.
func (s *Source) Bounding() (found [][2]string) {
	for dir, files := range s.files {
		for _, f := range files {
			if s.isTest(f) {
				continue
			}
			eachConstant(f, func(name string, _ ast.Expr) {
				if bounding.MatchString(name) {
					found = append(found, [2]string{at(dir), name})
				}
			})
		}
	}
	return found
}

// HasTest reports whether a package has a test of this name.
func (s *Source) HasTest(dir, name string) bool {
	for _, f := range s.files[dir] {
		for _, d := range f.Decls {
			fn, is := d.(*ast.FuncDecl)
			if is && s.isTest(f) && fn.Recv == nil && fn.Name.Name == name {
				return true
			}
		}
	}
	return false
}

// Configured is the packages with numbers in a configuration, by their tags.
func (s *Source) Configured() map[string]bool {
	found := map[string]bool{}
	for dir, files := range s.files {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				field, is := n.(*ast.Field)
				if is && !s.isTest(f) && field.Tag != nil && strings.Contains(field.Tag.Value, "mapstructure:") && isNumber(field.Type) {
					found[at(dir)] = true
				}
				return true
			})
		}
	}
	return found
}

func isNumber(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.Ident:
		return regexp.MustCompile(`^(u?int(8|16|32|64)?|float(32|64))$`).MatchString(t.Name)
	case *ast.SelectorExpr:
		return t.Sel.Name == "Duration"
	}
	return false
}

func eachConstant(f *ast.File, see func(name string, value ast.Expr)) {
	for _, d := range f.Decls {
		group, is := d.(*ast.GenDecl)
		if !is || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			of := spec.(*ast.ValueSpec)
			for i, name := range of.Names {
				if i < len(of.Values) {
					see(name.Name, of.Values[i])
				}
			}
		}
	}
}

// Written is the value that a field is given in a composite literal of a package,
// for a configuration that cannot be imported: that of a program.
func (s *Source) Written(dir, field string) (value int64, err error) {
	err = fmt.Errorf("no literal in %s has a field %s", dir, field)
	for _, f := range s.files[dir] {
		ast.Inspect(f, func(n ast.Node) bool {
			pair, is := n.(*ast.KeyValueExpr)
			if !is || s.isTest(f) {
				return true
			}
			if key, is := pair.Key.(*ast.Ident); is && key.Name == field {
				var v constant.Value
				if v, _, err = s.eval(dir, f, pair.Value); err == nil {
					value, _ = constant.Int64Val(v)
				}
			}
			return true
		})
	}
	return value, err
}

// outside is the constants of the standard library that limits are made of.
var outside = map[string]int64{
	"time.Millisecond": 1e6, "time.Second": 1e9, "time.Minute": 60e9, "time.Hour": 3600e9,
}

// Value is a constant's, and whether it is a time.
func (s *Source) Value(dir, name string) (value int64, isTime bool, err error) {
	for _, f := range s.files[dir] {
		var expr ast.Expr
		eachConstant(f, func(n string, v ast.Expr) {
			if n == name {
				expr = v
			}
		})
		if expr == nil {
			continue
		}
		v, isTime, err := s.eval(dir, f, expr)
		if err != nil {
			return 0, false, fmt.Errorf("%s.%s: %w", dir, name, err)
		}
		n, exact := constant.Int64Val(constant.ToInt(v))
		if !exact {
			return 0, false, fmt.Errorf("%s.%s is no whole number", dir, name)
		}
		return n, isTime, nil
	}
	return 0, false, fmt.Errorf("there is no constant %s in %s: %w", name, dir, os.ErrNotExist)
}

func (s *Source) eval(dir string, f *ast.File, expr ast.Expr) (v constant.Value, isTime bool, err error) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), false, nil
	case *ast.ParenExpr:
		return s.eval(dir, f, e.X)
	case *ast.Ident:
		n, isTime, err := s.Value(dir, e.Name)
		return constant.MakeInt64(n), isTime, err
	case *ast.SelectorExpr:
		return s.selected(f, e)
	case *ast.BinaryExpr:
		x, xTime, err := s.eval(dir, f, e.X)
		if err != nil {
			return nil, false, err
		}
		y, yTime, err := s.eval(dir, f, e.Y)
		if err != nil {
			return nil, false, err
		}
		return operate(x, e.Op, y), xTime || yTime, nil
	}
	return nil, false, fmt.Errorf("cannot read an expression of the form %T", expr)
}

func operate(x constant.Value, op token.Token, y constant.Value) constant.Value {
	if op == token.SHL || op == token.SHR {
		n, _ := constant.Uint64Val(y)
		return constant.Shift(x, op, uint(n))
	}
	if op == token.QUO {
		op = token.QUO_ASSIGN // of whole numbers
	}
	return constant.BinaryOp(x, op, y)
}

// selected is a constant of another package.
func (s *Source) selected(f *ast.File, e *ast.SelectorExpr) (constant.Value, bool, error) {
	of, is := e.X.(*ast.Ident)
	if !is {
		return nil, false, fmt.Errorf("cannot read a selector of a %T", e.X)
	}
	if n, known := outside[of.Name+"."+e.Sel.Name]; known {
		return constant.MakeInt64(n), true, nil
	}
	for _, i := range f.Imports {
		target, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, false, err
		}
		name := path.Base(target)
		if i.Name != nil {
			name = i.Name.Name
		}
		if dir, ours := strings.CutPrefix(target, module); ours && name == of.Name {
			n, isTime, err := s.Value(dir, e.Sel.Name)
			return constant.MakeInt64(n), isTime, err
		}
	}
	return nil, false, fmt.Errorf("%s.%s is a constant of nobody known", of.Name, e.Sel.Name)
}
