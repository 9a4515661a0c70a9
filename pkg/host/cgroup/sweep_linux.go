package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Named is a group that was found at a place.
type Named struct {
	ID      string // of the command
	Attempt uint32
	Group   Group
}

// sweepAtOnce bounds how many groups are found at once; there are more only if
// an executor was killed again and again, and the rest are found the next time.
const sweepAtOnce = 4096

// Groups finds the groups at the place, at most 4096, those first whose
// directories come first. What is not named as a group is left out.
func (p Place) Groups() ([]Named, error) {
	found := map[string]Group{}
	var names []string
	for h, prefix := range p.at {
		if prefix == "" {
			continue
		}
		entries, err := os.ReadDir(filepath.Dir(prefix))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			name, ours := strings.CutPrefix(entry.Name(), filepath.Base(prefix))
			g, seen := found[name]
			if !entry.IsDir() || !ours || !seen && len(names) == sweepAtOnce {
				continue
			}
			if !seen {
				names = append(names, name)
			}
			g.at[h] = prefix + name
			found[name] = g
		}
	}
	slices.Sort(names)
	var all []Named
	for _, name := range names {
		dot := strings.LastIndexByte(name, '.')
		attempt, err := strconv.ParseUint(name[dot+1:], 10, 32)
		if dot > 0 && err == nil {
			all = append(all, Named{ID: name[:dot], Attempt: uint32(attempt), Group: found[name]})
		}
	}
	return all, nil
}
