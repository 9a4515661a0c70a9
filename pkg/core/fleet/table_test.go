package fleet

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newTable(tb rapid.TB, hosts ...Host) *Table {
	tb.Helper()
	table := NewTable()
	for _, h := range hosts {
		if err := table.Upsert(h); err != nil {
			tb.Fatal(err)
		}
	}
	return table
}

func with(h Host, change func(*Host)) Host {
	change(&h)
	return h
}

func ids(hosts []Host) string {
	var names []string
	for _, h := range hosts {
		names = append(names, string(h.ID))
	}
	return strings.Join(names, " ")
}

func smallFleet(tb rapid.TB) *Table {
	address := func(a string) func(*Host) { return func(h *Host) { h.Address = a } }
	return newTable(tb,
		with(aHost("web-2", "bj01"), func(h *Host) { h.Address, h.Labels = "10.0.0.2", map[string]string{"app": "web"} }),
		with(aHost("web-1", "bj01"), func(h *Host) { h.Address, h.Labels = "10.0.0.1", map[string]string{"app": "web", "canary": "yes"} }),
		with(aHost("api-1", "bj02"), func(h *Host) { h.Address, h.Labels = "2001:db8::1", map[string]string{"app": "api"} }),
		with(aHost("nat-1", "bj02"), address("10.9.9.9")),
		with(aHost("nat-2", "bj02"), address("10.9.9.9")),
		with(aHost("gone", "bj02"), func(h *Host) { h.Address, h.KeyState = "10.0.0.7", KeyRevoked }),
		with(aHost("new", "bj02"), func(h *Host) { h.Address, h.KeyState = "10.0.0.8", KeyPending }),
	)
}

func TestAHostIsFoundByNameAndByAddress(t *testing.T) {
	table := smallFleet(t)
	for name, want := range map[string]HostID{
		"web-1": "web-1", "10.0.0.2": "web-2", "::ffff:10.0.0.2": "web-2", "2001:DB8:0::0:1": "api-1", "gone": "gone", "nat-1": "nat-1",
	} {
		if h, err := table.Get(name); err != nil || h.ID != want {
			t.Errorf("Get(%s) = %s, %v, want %s", name, h.ID, err, want)
		}
	}
	for _, name := range []string{"web-3", "10.0.0.3", "", "WEB-1"} {
		if _, err := table.Get(name); !errors.Is(err, ErrUnknownHost) {
			t.Errorf("Get(%q): %v, want ErrUnknownHost", name, err)
		}
	}
	_, err := table.Get("10.9.9.9")
	want := "10.9.9.9 is the address of 2 hosts (nat-1, nat-2): name the one that you mean"
	if err == nil || err.Error() != want {
		t.Errorf("a shared address: %v, want %s", err, want)
	}
}

func TestAHostWithAFaultIsNotKept(t *testing.T) {
	table := NewTable()
	if err := table.Upsert(Host{ID: "a"}); err == nil || table.Len() != 0 {
		t.Errorf("got %v, and %d hosts", err, table.Len())
	}
}

func TestAnOlderRowChangesNothing(t *testing.T) {
	newer := with(aHost("a", "r"), func(h *Host) { h.Revision, h.Address = 7, "10.0.0.7" })
	table := newTable(t, newer, with(newer, func(h *Host) { h.Revision, h.Address = 6, "10.0.0.6" }))
	if h, err := table.Get("a"); err != nil || h.Address != "10.0.0.7" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestAChangedHostIsFoundWhereItIsNow(t *testing.T) {
	h := with(aHost("a", "old"), func(h *Host) { h.Labels = map[string]string{"app": "web"} })
	moved := with(h, func(h *Host) {
		h.Room, h.Address, h.Labels, h.Revision = "young", "10.0.0.2", map[string]string{"app": "api"}, 2
	})
	table := newTable(t, h, moved)
	if _, err := table.Get("10.0.0.1"); !errors.Is(err, ErrUnknownHost) {
		t.Errorf("found at its old address: %v", err)
	}
	for text, want := range map[string]string{"room=old": "", "room=young": "a", "app=web": "", "app=api": "a"} {
		hosts, _ := table.Select(Query{Selector: mustParse(t, text)})
		if ids(hosts) != want {
			t.Errorf("%s selects %q, want %q", text, ids(hosts), want)
		}
	}
	if len(table.sets) != 2 {
		t.Errorf("%d sets of labels and facts are kept, want 2", len(table.sets))
	}
}

func TestAQueryMeansItsHosts(t *testing.T) {
	table := smallFleet(t)
	for _, c := range []struct {
		hosts    []string
		selector string
		all      bool
		want     string
	}{
		{hosts: []string{"web-2", "2001:db8::1", "web-1", "10.0.0.2"}, want: "web-1 web-2 api-1"},
		{hosts: []string{"web-2", "api-1"}, selector: "app=web", want: "web-2"},
		{hosts: []string{"web-2"}, all: true, want: "web-2"},
		{selector: "app in (web,api)", want: "web-1 web-2 api-1"},
		{selector: "app=web,!canary", want: "web-2"},
		{selector: "app=web", all: true, want: "web-1 web-2"},
		{selector: "id in (web-2,api-1,gone,nobody)", want: "web-2 api-1"},
		{selector: "room in (bj02,bj09)", want: "api-1 nat-1 nat-2"},
		{selector: "room in (bj01,bj02),room!=bj02", want: "web-1 web-2"},
		{all: true, want: "web-1 web-2 api-1 nat-1 nat-2"},
	} {
		q := Query{Hosts: c.hosts, All: c.all}
		if c.selector != "" {
			q.Selector = mustParse(t, c.selector)
		}
		got, err := table.Select(q)
		if err != nil || ids(got) != c.want {
			t.Errorf("%+v selects %q (%v), want %q", c, ids(got), err, c.want)
		}
	}
}

func TestAQueryThatMeansNobodyIsAnError(t *testing.T) {
	table := smallFleet(t)
	for _, q := range []Query{
		{},
		{Selector: mustParse(t, "app=db")},
		{Selector: mustParse(t, "room=bj01,room=bj02")},
		{Selector: mustParse(t, "id=gone")},
		{Hosts: []string{"api-1"}, Selector: mustParse(t, "app=web")},
	} {
		if got, err := table.Select(q); !errors.Is(err, ErrNoHosts) || got != nil {
			t.Errorf("%+v selects %q, %v, want ErrNoHosts", q, ids(got), err)
		}
	}
	if _, err := NewTable().Select(Query{All: true}); !errors.Is(err, ErrNoHosts) {
		t.Errorf("an empty fleet: %v", err)
	}
}

func TestEveryHostThatCannotBeATargetIsNamed(t *testing.T) {
	_, err := smallFleet(t).Select(Query{Hosts: []string{"web-1", "typo", "10.0.0.99", "gone", "10.9.9.9", "10.0.0.8"}})
	want := "unknown hosts (no such id or IP address): typo, 10.0.0.99; " +
		"10.9.9.9 is the address of 2 hosts (nat-1, nat-2): name the one that you mean; " +
		"hosts whose key is not accepted (revoked, or waiting for an operator): gone, new"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var bad *HostsError
	if !errors.As(err, &bad) || !errors.Is(err, ErrUnknownHost) || len(bad.Unknown) != 2 {
		t.Errorf("got %#v", err)
	}
	if _, err := smallFleet(t).Select(Query{Hosts: []string{"gone"}}); err == nil || errors.Is(err, ErrUnknownHost) {
		t.Errorf("a revoked host is not unknown: %v", err)
	}
}

func TestTheErrorOfAHundredUnknownHostsIsShort(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("typo-%d", i))
	}
	_, err := smallFleet(t).Select(Query{Hosts: names})
	if err == nil || !strings.HasSuffix(err.Error(), "typo-19 and 80 more") {
		t.Errorf("got %v", err)
	}
}

func TestPagesListEveryHostOnce(t *testing.T) {
	table := smallFleet(t)
	var got []string
	after, more := HostID(""), true
	for more {
		var page []Host
		page, more = table.Page(Selector{}, after, 3)
		got = append(got, ids(page))
		after = page[len(page)-1].ID
	}
	if want := []string{"api-1 gone nat-1", "nat-2 new web-1", "web-2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if page, more := table.Page(mustParse(t, "app=web"), "", 2); ids(page) != "web-1 web-2" || more {
		t.Errorf("got %q, %t", ids(page), more)
	}
	if page, more := table.Page(Selector{}, "web-2", 3); len(page) != 0 || more {
		t.Errorf("after the last: %q, %t", ids(page), more)
	}
}

// The oracle: a list of hosts, searched from end to end.
type plainTable map[HostID]Host

func (p plainTable) sel(s Selector) []Host {
	var out []Host
	for _, h := range p {
		if h.KeyState == KeyAccepted && s.Match(h) {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, CompareTargets)
	return out
}

func (p plainTable) at(address string) []HostID {
	var out []HostID
	for _, id := range slices.Sorted(maps.Keys(p)) {
		if p[id].Address == address {
			out = append(out, id)
		}
	}
	return out
}

func TestAnyHistoryOfRowsIsSearchedAsAListWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, plain := NewTable(), plainTable{}
		for revision := range rapid.IntRange(0, 30).Draw(t, "rows") {
			h := drawHost(t)
			h.Revision = uint64(revision + 1)
			h.Address = rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "::1"}).Draw(t, "address")
			h.KeyState = KeyState(rapid.IntRange(1, 3).Draw(t, "key"))
			if err := table.Upsert(h); err != nil {
				t.Fatal(err)
			}
			plain[h.ID] = h
		}
		checkLike(t, table, plain)
	})
}

func checkLike(t *rapid.T, table *Table, plain plainTable) {
	if table.Len() != len(plain) {
		t.Fatalf("%d hosts, want %d", table.Len(), len(plain))
	}
	s := mustParse(t, drawCondition(t).spell(t)+","+drawCondition(t).spell(t))
	got, err := table.Select(Query{Selector: s})
	want := plain.sel(s)
	if ids(got) != ids(want) || errors.Is(err, ErrNoHosts) != (len(want) == 0) {
		t.Fatalf("%s selects %q (%v), want %q", s, ids(got), err, ids(want))
	}
	for i := range got {
		if !maps.Equal(got[i].Labels, want[i].Labels) || !maps.Equal(got[i].Facts, want[i].Facts) {
			t.Fatalf("got %+v, want %+v", got[i], want[i])
		}
	}
	for _, address := range []string{"10.0.0.1", "10.0.0.2", "::1"} {
		there := plain.at(address)
		h, err := table.Get(address)
		var same *AmbiguousError
		switch {
		case len(there) == 0 && !errors.Is(err, ErrUnknownHost),
			len(there) == 1 && h.ID != there[0],
			len(there) > 1 && (!errors.As(err, &same) || !slices.Equal(same.Hosts, there)):
			t.Fatalf("Get(%s) = %s, %v, want %q", address, h.ID, err, there)
		}
	}
	used := map[string]bool{}
	for _, h := range plain {
		used[contentKey(h.Labels)], used[contentKey(h.Facts)] = true, true
	}
	if len(table.sets) != len(used) {
		t.Fatalf("%d sets are kept, %d are used", len(table.sets), len(used))
	}
}

// bytesPer returns how much n calls of add keep, for each.
func bytesPer(n int, add func(i int)) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		add(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return float64(after.HeapAlloc-before.HeapAlloc) / float64(n)
}

func TestAKnownHostCostsLittleMemory(t *testing.T) {
	table := NewTable()
	got := bytesPer(50_000, func(i int) {
		h := aHost(HostID(fmt.Sprintf("web-%05d.bj01", i)), Room(fmt.Sprintf("bj%02d", i%20)))
		h.Address = fmt.Sprintf("10.0.%d.%d", i>>8, i&255)
		h.Labels = map[string]string{"app": "web", "env": fmt.Sprint(i % 5)}
		h.Facts = map[string]string{"os": "linux", "arch": "amd64"}
		if err := table.Upsert(h); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f bytes a host", got)
	if got > 330 {
		t.Errorf("%.0f bytes a host, want at most 330", got)
	}
	runtime.KeepAlive(table)
}
