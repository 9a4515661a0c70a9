package fleet

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Query says which hosts a job means. Its parts are combined with AND, hosts
// among themselves with OR.
type Query struct {
	Hosts    []string // ids or IP addresses; every one must exist
	Selector Selector // zero: none
	All      bool     // all hosts, where nothing else is given
}

// ErrNoHosts says that a query matches no host; an empty query matches none.
var ErrNoHosts = errors.New("no host matches")

// HostsError names every host of a query that cannot be a target.
type HostsError struct {
	Unknown   []string          // neither an id nor an IP address of a host; in the order given
	Ambiguous []*AmbiguousError // IP addresses that several hosts share
	Barred    []HostID          // the key is revoked or waits for an operator
}

// Error names all of them, with what to do.
func (e *HostsError) Error() string {
	var parts []string
	if len(e.Unknown) > 0 {
		parts = append(parts, fmt.Sprintf("unknown hosts (no such id or IP address): %s", list(e.Unknown)))
	}
	for _, a := range e.Ambiguous {
		parts = append(parts, a.Error())
	}
	if len(e.Barred) > 0 {
		parts = append(parts, fmt.Sprintf("hosts whose key is not accepted (revoked, or waiting for an operator): %s", list(e.Barred)))
	}
	return strings.Join(parts, "; ")
}

// Is reports an unknown host as [ErrUnknownHost].
func (e *HostsError) Is(target error) bool { return target == ErrUnknownHost && len(e.Unknown) > 0 }

// Select returns the hosts that q means, ascending by (room, id) bytewise, each
// once: the order of a target list. Hosts whose key is not accepted are never
// among them. The cost follows the hosts named, or the rooms that the selector
// admits. Errors: *HostsError, ErrNoHosts.
func (t *Table) Select(q Query) ([]Host, error) {
	rows, err := t.meant(q)
	if err != nil {
		return nil, err
	}
	var hosts []Host
	for r := range rows {
		if r.KeyState == KeyAccepted && (q.Selector.IsZero() || q.Selector.Match(r.Host)) {
			hosts = append(hosts, r.Host)
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("%w: none that is admitted has what was asked for; list the hosts to see what there is", ErrNoHosts)
	}
	return hosts, nil
}

// meant returns the rows that q may mean before its selector is asked.
func (t *Table) meant(q Query) (iter.Seq[*row], error) {
	switch {
	case len(q.Hosts) > 0:
		rows, err := t.named(q.Hosts)
		return slices.Values(rows), err
	case !q.Selector.IsZero() || q.All:
		return t.candidates(q.Selector), nil
	}
	return nil, fmt.Errorf("%w: none was asked for; name hosts, give a selector, or ask for all", ErrNoHosts)
}

// named returns the rows of the hosts named, in the order of a target list.
func (t *Table) named(names []string) ([]*row, error) {
	var bad HostsError
	rows := make([]*row, 0, len(names))
	for _, name := range names {
		r, err := t.find(name)
		var ambiguous *AmbiguousError
		switch {
		case errors.As(err, &ambiguous):
			bad.Ambiguous = append(bad.Ambiguous, ambiguous)
		case err != nil:
			bad.Unknown = append(bad.Unknown, clip(name))
		case r.KeyState != KeyAccepted:
			bad.Barred = append(bad.Barred, r.ID)
		default:
			rows = append(rows, r)
		}
	}
	if len(bad.Unknown)+len(bad.Ambiguous)+len(bad.Barred) > 0 {
		return nil, &bad
	}
	slices.SortFunc(rows, func(a, b *row) int { return CompareTargets(a.Host, b.Host) })
	return slices.Compact(rows), nil
}

// CompareTargets orders hosts as a target list does: by room, then by id,
// bytewise (architecture section 7).
func CompareTargets(a, b Host) int {
	if c := strings.Compare(string(a.Room), string(b.Room)); c != 0 {
		return c
	}
	return strings.Compare(string(a.ID), string(b.ID))
}

// candidates yields, in the order of a target list, all rows that s may match:
// those with an id or in a room that it names, else every row.
func (t *Table) candidates(s Selector) iter.Seq[*row] {
	if ids, limited := s.allowed(KeyID); limited {
		var rows []*row
		for _, id := range ids {
			if r := t.byID[HostID(id)]; r != nil {
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, func(a, b *row) int { return CompareTargets(a.Host, b.Host) })
		return slices.Values(rows)
	}
	rooms := t.names
	if named, limited := s.allowed(KeyRoom); limited {
		rooms = nil
		for _, name := range named {
			rooms = append(rooms, Room(name))
		}
	}
	return func(yield func(*row) bool) {
		for _, room := range rooms {
			for _, r := range t.rooms[room] {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// list writes names for a person; of very many only the first.
func list[T ~string](names []T) string {
	const most = 20
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}
