package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ModulePath is the import path of the module that the rules are about.
const ModulePath = "github.com/ccs-project/ccs"

// Module is what a rule sees: the files of one module, parsed but not built,
// so that every build tag's code is seen.
type Module struct {
	Root  string
	Paths []string // every file, slash-separated, relative to Root, sorted
	Files []*File  // the Go files of the module, without testdata and nested modules

	fset *token.FileSet
}

// File is one Go file.
type File struct {
	Path      string // slash-separated, relative to the module's root
	Dir       string // its directory, "." for the root
	Package   string // the name in its package clause
	Test      bool   // named _test.go
	Generated bool   // says so by the convention of go.dev/s/generatedcode
	Lines     int
	AST       *ast.File
	Imports   []Import

	fset *token.FileSet
}

// Import is one import of a file.
type Import struct {
	Path string
	Name string // the name that the file knows it by
	Line int
}

// Load reads the module below root: what git tracks or would track, or where
// there is no repository everything but build output and installed tools.
func Load(root string) (*Module, error) {
	paths, err := gitPaths(root)
	if err != nil {
		if paths, err = walkPaths(root); err != nil {
			return nil, fmt.Errorf("cannot list the files of %s: %w", root, err)
		}
	}
	slices.Sort(paths)
	m := &Module{Root: root, Paths: paths, fset: token.NewFileSet()}
	nested := nestedModules(paths)
	for _, p := range paths {
		if !strings.HasSuffix(p, ".go") || outside(p, nested) {
			continue
		}
		f, err := m.parse(p)
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, f)
	}
	return m, nil
}

// gitPaths asks git, so that ignored files are not judged. It fails where root
// is not the top of a work tree.
func gitPaths(root string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return nil, err
	}
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var paths []string
	for p := range strings.SplitSeq(string(out), "\x00") {
		// A file that was deleted and is not committed yet is still listed.
		if info, err := os.Lstat(filepath.Join(root, p)); p != "" && err == nil && info.Mode().IsRegular() {
			paths = append(paths, p)
		}
	}
	return slices.Compact(paths), nil
}

// walkPaths lists a tree that is not a repository.
func walkPaths(root string) ([]string, error) {
	ignored := []string{".git", ".tools", ".cache", "bin", "dist"}
	var paths []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() && (slices.Contains(ignored, rel) || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	return paths, err
}

// nestedModules lists the directories below the root that are modules of their
// own, such as tools.
func nestedModules(paths []string) []string {
	var dirs []string
	for _, p := range paths {
		if path.Base(p) == "go.mod" && p != "go.mod" {
			dirs = append(dirs, path.Dir(p))
		}
	}
	return dirs
}

// outside reports whether the go command would not see the file as part of the
// module.
func outside(p string, nested []string) bool {
	for part := range strings.SplitSeq(path.Dir(p), "/") {
		if part == "testdata" || part == "vendor" {
			return true
		}
	}
	return slices.ContainsFunc(nested, func(dir string) bool { return under(p, dir) })
}

func (m *Module) parse(p string) (*File, error) {
	src, err := os.ReadFile(filepath.Join(m.Root, filepath.FromSlash(p)))
	if err != nil {
		return nil, fmt.Errorf("cannot read a Go file: %w", err)
	}
	tree, err := parser.ParseFile(m.fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("cannot parse a Go file: %w", err)
	}
	f := &File{
		Path: p, Dir: path.Dir(p), Package: tree.Name.Name,
		Test: strings.HasSuffix(p, "_test.go"), Generated: ast.IsGenerated(tree),
		Lines: bytes.Count(src, []byte("\n")), AST: tree, fset: m.fset,
	}
	for _, spec := range tree.Imports {
		f.Imports = append(f.Imports, newImport(f, spec))
	}
	return f, nil
}
