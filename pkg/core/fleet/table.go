package fleet

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Table is all known hosts. Reading it is safe for any number of goroutines
// while nobody writes; [Table.Upsert] needs it alone. Make it with [NewTable].
type Table struct {
	byID   map[HostID]*row
	byAddr map[addr]*row    // first of a chain: hosts behind one address are allowed
	rooms  map[Room][]*row  // ascending by id, so that small queries cost little
	names  []Room           // of rooms, ascending
	sets   map[string]*kept // label and fact maps in use, by content: many hosts share one
}

// row is a host as kept. Its maps are those of kept sets.
type row struct {
	Host
	nextSame *row // next host with the same address
}

// kept is one map that hosts share.
type kept struct {
	pairs map[string]string
	users int
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{
		byID:   map[HostID]*row{},
		byAddr: map[addr]*row{},
		rooms:  map[Room][]*row{},
		sets:   map[string]*kept{},
	}
}

// Len returns how many hosts are known.
func (t *Table) Len() int { return len(t.byID) }

// Upsert writes a host, new or known, if it has no fault (see [ValidateHost]).
// A row older than the one that is known, by revision, changes nothing.
func (t *Table) Upsert(h Host) error {
	if err := ValidateHost(h); err != nil {
		return fmt.Errorf("cannot keep host %q: %w", clip(string(h.ID)), err)
	}
	if old := t.byID[h.ID]; old != nil {
		if h.Revision < old.Revision {
			return nil
		}
		t.remove(old)
	}
	r := &row{Host: h}
	r.Labels, r.Facts = t.keep(h.Labels), t.keep(h.Facts)
	t.insert(r)
	return nil
}

func (t *Table) insert(r *row) {
	t.byID[r.ID] = r
	a, _ := parseAddr(r.Address)
	r.nextSame = t.byAddr[a]
	t.byAddr[a] = r
	members, known := t.rooms[r.Room]
	if !known {
		at, _ := slices.BinarySearch(t.names, r.Room)
		t.names = slices.Insert(t.names, at, r.Room)
	}
	at, _ := slices.BinarySearchFunc(members, r.ID, compareRow)
	t.rooms[r.Room] = slices.Insert(members, at, r)
}

func (t *Table) remove(r *row) {
	delete(t.byID, r.ID)
	a, _ := parseAddr(r.Address)
	link := t.byAddr[a]
	switch {
	case link == r && r.nextSame == nil:
		delete(t.byAddr, a)
	case link == r:
		t.byAddr[a] = r.nextSame
	default:
		for link.nextSame != r {
			link = link.nextSame
		}
		link.nextSame = r.nextSame
	}
	members := t.rooms[r.Room]
	at, _ := slices.BinarySearchFunc(members, r.ID, compareRow)
	t.rooms[r.Room] = slices.Delete(members, at, at+1)
	t.drop(r.Labels)
	t.drop(r.Facts)
}

func compareRow(r *row, id HostID) int { return strings.Compare(string(r.ID), string(id)) }

// keep returns the shared copy of pairs.
func (t *Table) keep(pairs map[string]string) map[string]string {
	key := contentKey(pairs)
	k := t.sets[key]
	if k == nil {
		k = &kept{pairs: maps.Clone(pairs)}
		t.sets[key] = k
	}
	k.users++
	return k.pairs
}

// drop says that one host fewer has these pairs.
func (t *Table) drop(pairs map[string]string) {
	key := contentKey(pairs)
	k := t.sets[key]
	if k.users--; k.users == 0 {
		delete(t.sets, key)
	}
}

// contentKey tells maps of labels or facts apart; neither holds a control
// character.
func contentKey(pairs map[string]string) string {
	lines := make([]string, 0, len(pairs))
	for name, value := range pairs {
		lines = append(lines, name+"\x00"+value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\x01")
}

// ErrUnknownHost says that no host has this id or IP address.
var ErrUnknownHost = errors.New("unknown host")

// AmbiguousError says that several hosts have this IP address.
type AmbiguousError struct {
	Address string
	Hosts   []HostID // ascending
}

// Error names the hosts.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s is the address of %d hosts (%s): name the one that you mean", e.Address, len(e.Hosts), list(e.Hosts))
}

// Get returns a host by id or, failing that, by IP address. Errors:
// ErrUnknownHost, *AmbiguousError.
func (t *Table) Get(idOrIP string) (Host, error) {
	r, err := t.find(idOrIP)
	if err != nil {
		return Host{}, err
	}
	return r.Host, nil
}

func (t *Table) find(idOrIP string) (*row, error) {
	if r := t.byID[HostID(idOrIP)]; r != nil {
		return r, nil
	}
	a, ok := parseAddr(idOrIP)
	r := t.byAddr[a]
	switch {
	case !ok || r == nil:
		return nil, fmt.Errorf("%w: no host has the id or IP address %q", ErrUnknownHost, clip(idOrIP))
	case r.nextSame == nil:
		return r, nil
	}
	same := &AmbiguousError{Address: idOrIP}
	for ; r != nil; r = r.nextSame {
		same.Hosts = append(same.Hosts, r.ID)
	}
	slices.Sort(same.Hosts)
	return nil, same
}

// IDs yields the ids of all hosts, in no order.
func (t *Table) IDs() iter.Seq[HostID] { return maps.Keys(t.byID) }

// Page returns up to limit hosts with an id after the given one ("" begins),
// ascending by id, whatever the state of their keys; a zero selector admits
// all. More says that others follow.
func (t *Table) Page(s Selector, after HostID, limit int) (hosts []Host, more bool) {
	var first lastOnTop
	for r := range t.candidates(s) {
		if r.ID <= after || !s.IsZero() && !s.Match(r.Host) {
			continue
		}
		if len(first) <= limit || r.ID < first[0].ID {
			heap.Push(&first, r)
		}
		if len(first) > limit+1 {
			heap.Pop(&first)
		}
	}
	more = len(first) > limit
	slices.SortFunc(first, func(a, b *row) int { return compareRow(a, b.ID) })
	for _, r := range first[:min(limit, len(first))] {
		hosts = append(hosts, r.Host)
	}
	return hosts, more
}

// lastOnTop is a heap of rows with the greatest id on top.
type lastOnTop []*row

func (h lastOnTop) Len() int           { return len(h) }
func (h lastOnTop) Less(i, j int) bool { return h[i].ID > h[j].ID }
func (h lastOnTop) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push adds a row; for container/heap only.
func (h *lastOnTop) Push(r any) { *h = append(*h, r.(*row)) }

// Pop removes the last row; for container/heap only.
func (h *lastOnTop) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
