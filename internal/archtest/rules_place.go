package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// tree is house.md section 1: what may be below a directory. A directory that
// is not a key here is free inside.
var tree = map[string][]string{
	".":             {".ci", "api", "cmd", "deploy", "docs", "e2e", "internal", "pkg", "tools", "web"},
	"api":           {"proto", "gen"},
	"api/proto":     {"ccs"},
	"api/proto/ccs": {"access", "enrol", "executor", "identity", "mesh", "scheduler", "session", "types"},
	"api/gen":       {"ccs"},
	"cmd": {
		"access", "agent", "aggregator", "ccsctl", "ccshost", "console", "devcluster", "endprocess", "executor",
		"internal", "issuer", "scheduler", "swarm",
	},
	"pkg":                 {"client", "core", "host", "run", "state", "tier", "trust", "wire"},
	"pkg/core":            {"admission", "adopt", "fleet", "job", "link", "task"},
	"pkg/trust":           {"audit", "capsule", "identity", "policy"},
	"pkg/state":           {"coord", "roomspool", "store"},
	"pkg/state/store":     {"codec", "memory", "postgres", "sqlite", "storetest"},
	"pkg/state/coord":     {"coordtest", "etcd", "memory"},
	"pkg/state/roomspool": {"disk", "memory", "roomspooltest"},
	"pkg/host":            {"cgroup", "operator", "proc", "spool"},
	"pkg/tier":            {"access", "agent", "aggregator", "endprocess", "executor", "issuer", "scheduler"},
	"pkg/run":             {"failpoint", "lifecycle", "obs", "planted"},
	"internal":            {"archtest", "benchhost", "benchstore", "bugs", "cctest", "devcluster", "etcdserver", "fakehost", "postgresserver", "sim", "tracer"},
	"deploy":              {"helm", "rpm", "systemd"},
	"web":                 {"console"},
}

// junkDrawers are rule 7 of house.md section 2.
var junkDrawers = []string{"base", "common", "helper", "helpers", "interfaces", "misc", "models", "types", "util", "utils"}

// placeRules say where things live.
func placeRules() []Rule {
	return []Rule{
		{
			Name:  "tree",
			Why:   "the tree is the architecture: who reads only ls should guess the system right.",
			Do:    "put it where its noun lives; a new place is a decision: an ADR and a line in the table of internal/archtest.",
			Check: checkTree,
		},
		{
			Name:  "no-junk-drawers",
			Why:   "a package named for nothing in particular takes everything, and everybody comes to import it.",
			Do:    "name it after the noun that it holds, or put the function beside its only caller.",
			Check: noJunkDrawers,
		},
		{
			Name:  "package-docs",
			Why:   "a reader meets a package by its comment: what it is, and what it is not.",
			Do:    "write one in doc.go (main.go for a command): \"Package x is …\".",
			Check: packageDocs,
		},
	}
}

func checkTree(m *Module) []Violation {
	reported := map[string]bool{}
	var found []Violation
	for _, p := range m.Paths {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			parent := path.Dir(dir)
			allowed, known := tree[parent]
			if !known || slices.Contains(allowed, path.Base(dir)) || path.Base(dir) == "testdata" || reported[dir] {
				continue
			}
			reported[dir] = true
			found = append(found, Violation{dir, 0, fmt.Sprintf("no such place below %s (there are %s)", parent, strings.Join(allowed, ", "))})
		}
	}
	return found
}

func noJunkDrawers(m *Module) []Violation {
	reported := map[string]bool{}
	var found []Violation
	for _, f := range m.Files {
		if f.Generated {
			continue
		}
		name := strings.TrimSuffix(f.Package, "_test")
		for _, junk := range []string{path.Base(f.Dir), name} {
			if slices.Contains(junkDrawers, junk) && !reported[f.Dir] {
				reported[f.Dir] = true
				found = append(found, Violation{f.Dir, 0, fmt.Sprintf("a package named %s", junk)})
			}
		}
	}
	return found
}

// packageDocs asks for one comment per package, in the file where a reader
// looks for it. A directory of tests alone may have it in any of its files.
func packageDocs(m *Module) []Violation {
	packages := map[string][]*File{}
	for _, f := range m.Files {
		if !f.Generated {
			packages[f.Dir] = append(packages[f.Dir], f)
		}
	}
	var found []Violation
	for dir, files := range packages {
		onlyTests := !slices.ContainsFunc(files, func(f *File) bool { return !f.Test })
		if !slices.ContainsFunc(files, func(f *File) bool { return f.documents(onlyTests) }) {
			found = append(found, Violation{dir, 0, "has no package comment " + whereDocs(files[0], onlyTests)})
		}
	}
	return found
}

func whereDocs(f *File, onlyTests bool) string {
	switch {
	case onlyTests:
		return "in any of its files"
	case f.Package == "main":
		return "in main.go or doc.go"
	default:
		return "in doc.go that begins with \"Package " + f.Package + " \""
	}
}

// documents reports whether the file holds its package's comment.
func (f *File) documents(anywhere bool) bool {
	if f.AST.Doc == nil {
		return false
	}
	name := path.Base(f.Path)
	if f.Package == "main" || anywhere {
		return anywhere || name == "main.go" || name == "doc.go"
	}
	return name == "doc.go" && strings.HasPrefix(f.AST.Doc.Text(), "Package "+f.Package+" ")
}
