package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// hostBinaries is where the code of a host begins.
var hostBinaries = []string{
	"pkg/tier/agent", "pkg/tier/executor", "pkg/tier/endprocess", "pkg/host",
	"cmd/agent", "cmd/executor", "cmd/endprocess",
}

// hostsReachNeither follows imports through the packages of this module: a
// package between does not make it right.
func hostsReachNeither(m *Module) []Violation {
	next := map[string][]Import{}
	for _, f := range m.Files {
		if !f.Test {
			next[f.Dir] = append(next[f.Dir], f.Imports...)
		}
	}
	var found []Violation
	for dir := range next {
		if !under(dir, hostBinaries...) {
			continue
		}
		if chain := chainToState(dir, next); chain != nil {
			found = append(found, Violation{dir, 0, fmt.Sprintf("reaches store or coord: %s", strings.Join(chain, " → "))})
		}
	}
	return found
}

// chainToState is the shortest chain of imports from dir to what hosts must
// not have, nil if there is none.
func chainToState(dir string, next map[string][]Import) []string {
	chains := [][]string{{dir}}
	seen := map[string]bool{dir: true}
	for len(chains) > 0 {
		chain := chains[0]
		chains = chains[1:]
		for _, i := range next[chain[len(chain)-1]] {
			if under(i.Path, etcdModules) || under(i.local(), "pkg/state/store", "pkg/state/coord") {
				return append(slices.Clone(chain), strings.TrimPrefix(i.Path, ModulePath+"/"))
			}
			if to := i.local(); to != "" && !seen[to] {
				seen[to] = true
				chains = append(chains, append(slices.Clone(chain), to))
			}
		}
	}
	return nil
}
