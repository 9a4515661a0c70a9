package hosts

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// named is how many hosts an error names.
const named = 5

// Errors of a target list.
var (
	// ErrNotKnown: there is no host of this id.
	ErrNotKnown = fleet.ErrUnknownHost
	// ErrChanged: the host has moved, or has another incarnation, since the
	// list was resolved.
	ErrChanged = errors.New("the host has changed since the targets were resolved")
	// ErrBarred: the key of the host is not accepted.
	ErrBarred = errors.New("the host's key is not accepted")
)

// Check says whether every target is a host as it is now. The error wraps this
// package's errors and names up to five hosts of each kind of fault.
func (t *Table) Check(targets *job.Targets) error {
	faults := []*fault{
		{err: ErrNotKnown, do: "resolve the targets again"},
		{err: ErrChanged, do: "resolve the targets again"},
		{err: ErrBarred, do: "leave them out, or have an operator accept their keys"},
	}
	for first := 0; first < targets.Len(); first += look {
		t.checkPiece(targets, first, min(first+look, targets.Len()), faults)
	}
	return join(faults)
}

func join(faults []*fault) error {
	var all []error
	for _, f := range faults {
		if f.n > 0 {
			all = append(all, f)
		}
	}
	return errors.Join(all...)
}

// Now is these hosts as they are today, in the order of a target list. An id is
// never taken for an address. The error wraps this package's errors and names up
// to five hosts of each kind of fault.
func (t *Table) Now(ids []fleet.HostID) ([]fleet.Host, error) {
	faults := []*fault{
		{err: ErrNotKnown, do: "name those that are left by themselves"},
		{err: ErrBarred, do: "name the others by themselves, or have an operator accept their keys"},
	}
	found := make([]fleet.Host, 0, len(ids))
	for piece := range slices.Chunk(ids, look) {
		found = t.pieceNow(found, piece, faults)
	}
	slices.SortFunc(found, fleet.CompareTargets)
	return found, join(faults)
}

func (t *Table) pieceNow(found []fleet.Host, piece []fleet.HostID, faults []*fault) []fleet.Host {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, id := range piece {
		row, known := t.row(id)
		switch {
		case !known:
			faults[0].add(id)
		case row.KeyState != fleet.KeyAccepted:
			faults[1].add(id)
		default:
			found = append(found, row)
		}
	}
	return found
}

func (t *Table) checkPiece(targets *job.Targets, first, end int, faults []*fault) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for o := uint32(first); o < uint32(end); o++ {
		target := targets.At(o)
		row, known := t.row(target.Host)
		switch {
		case !known:
			faults[0].add(target.Host)
		case row.Incarnation != target.Incarnation || row.Room != targets.Room(o):
			faults[1].add(target.Host)
		case row.KeyState != fleet.KeyAccepted:
			faults[2].add(target.Host)
		}
	}
}

// fault is one kind of fault of a list.
type fault struct {
	err   error
	do    string
	n     int
	hosts []string
}

func (f *fault) add(host fleet.HostID) {
	if f.n++; len(f.hosts) < named {
		f.hosts = append(f.hosts, string(host))
	}
}

// Error names the hosts and what to do.
func (f *fault) Error() string {
	more := ""
	if f.n > len(f.hosts) {
		more = fmt.Sprintf(" and %d more", f.n-len(f.hosts))
	}
	return fmt.Sprintf("%v: %s%s; %s", f.err, strings.Join(f.hosts, ", "), more, f.do)
}

// Unwrap is the kind of fault.
func (f *fault) Unwrap() error { return f.err }
