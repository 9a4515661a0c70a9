package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

func placeOf(at map[hierarchy]string) Place {
	var p Place
	for h, path := range at {
		p.at[h] = path
	}
	return p
}

func TestAPlaceAndItsGroupsAreReadAsTheyWereWritten(t *testing.T) {
	for _, p := range []Place{
		{},
		placeOf(map[hierarchy]string{unified: "/sys/fs/cgroup/ccs/x-"}),
		placeOf(map[hierarchy]string{unified: "/u=v/ccs/x-", memory: "/m/ccs/x-", pids: "/p/a b:c/x-", cpu: "/c/x-", freezer: "/f/x-"}),
	} {
		back, err := ParsePlace(p.Entries())
		if err != nil || back != p {
			t.Errorf("%q was read as %+v, %v", p.Entries(), back, err)
		}
		g := p.Group("0198-a", 3, Limits{Memory: 1, CPU: 1, PIDs: 1})
		again, err := ParseGroup(g.Entries())
		if err != nil || again != g {
			t.Errorf("the group %q was read as %+v, %v", g.Entries(), again, err)
		}
	}
}

func TestWhatIsNoPlaceIsNotReadAsOne(t *testing.T) {
	for _, entries := range [][]string{
		{""}, {"unified"}, {"unified="}, {"unified=relative/x-"}, {"blkio=/b/x-"}, {"memory=/a", "memory=/b"}, {"unified=/u", ""},
	} {
		if p, err := ParsePlace(entries); err == nil || p != (Place{}) {
			t.Errorf("%q was read as %+v, %v", entries, p, err)
		}
	}
}

func TestTheVersionIsOfWhatLimits(t *testing.T) {
	for want, p := range map[string]Place{
		None: {},
		V2:   placeOf(map[hierarchy]string{unified: "/u/x-"}),
		V1:   placeOf(map[hierarchy]string{unified: "/u/x-", pids: "/p/x-"}),
	} {
		if got := p.Version(); got != want {
			t.Errorf("%q is %s, want %s", p.Entries(), got, want)
		}
	}
}

func TestAGroupHasDirectoriesForItsLimitsAndOneToBeEndedBy(t *testing.T) {
	all := map[hierarchy]string{unified: "/u/x-", memory: "/m/x-", pids: "/p/x-", cpu: "/c/x-", freezer: "/f/x-"}
	old := map[hierarchy]string{memory: "/m/x-", pids: "/p/x-", cpu: "/c/x-", freezer: "/f/x-"}
	for _, c := range []struct {
		name   string
		at     map[hierarchy]string
		limits Limits
		want   []string
		ends   hierarchy
	}{
		{"no group without a place", nil, Limits{Memory: 1}, nil, unified},
		{"without limits version 2 alone", all, Limits{}, []string{"unified=/u/x-a.1"}, unified},
		{"limits by version 1, the end by version 2", all, Limits{Memory: 1, CPU: 1, PIDs: 1}, []string{"unified=/u/x-a.1", "memory=/m/x-a.1", "pids=/p/x-a.1", "cpu=/c/x-a.1"}, unified},
		{"the freezer where there is no version 2", old, Limits{CPU: 1}, []string{"cpu=/c/x-a.1", "freezer=/f/x-a.1"}, freezer},
		{"any hierarchy where there is no freezer", map[hierarchy]string{memory: "/m/x-", cpu: "/c/x-"}, Limits{}, []string{"memory=/m/x-a.1"}, memory},
		{"limits by version 2 need no other directory", map[hierarchy]string{unified: "/u/x-"}, Limits{Memory: 1, PIDs: 1}, []string{"unified=/u/x-a.1"}, unified},
	} {
		g := placeOf(c.at).Group("a", 1, c.limits)
		if got := g.Entries(); !slices.Equal(got, c.want) || g.main() != c.ends {
			t.Errorf("%s: %q, ended by %v, want %q, %v", c.name, got, g.main(), c.want, c.ends)
		}
	}
}

func TestGroupsAreFoundByTheirPrefixInEveryHierarchy(t *testing.T) {
	u, m := t.TempDir(), t.TempDir()
	for _, dir := range []string{
		u + "/x-a.1", u + "/x-b-c.12", m + "/x-a.1", m + "/x-only.2",
		u + "/y-a.1", u + "/x-a", u + "/x-.1", u + "/x-a.one", u + "/x-a.99999999999",
	} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(u+"/x-file.1", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := placeOf(map[hierarchy]string{unified: u + "/x-", memory: m + "/x-", cpu: filepath.Join(u, "absent", "x-")})
	found, err := p.Groups()
	if err != nil {
		t.Fatal(err)
	}
	want := []Named{
		{"a", 1, Group{placeOf(map[hierarchy]string{unified: u + "/x-a.1", memory: m + "/x-a.1"}).at}},
		{"b-c", 12, Group{placeOf(map[hierarchy]string{unified: u + "/x-b-c.12"}).at}},
		{"only", 2, Group{placeOf(map[hierarchy]string{memory: m + "/x-only.2"}).at}},
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %+v, want %+v", found, want)
	}
}

func TestABoundedNumberOfGroupsIsFoundAtOnce(t *testing.T) {
	u := t.TempDir()
	for i := range sweepAtOnce + 10 {
		if err := os.Mkdir(u+"/x-a."+strconv.Itoa(i), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p := placeOf(map[hierarchy]string{unified: u + "/x-"})
	for _, want := range []int{sweepAtOnce, 10, 0} {
		found, err := p.Groups()
		if err != nil || len(found) != want {
			t.Fatalf("%d groups were found, %v; want %d", len(found), err, want)
		}
		for _, n := range found {
			if err := n.Group.Remove(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
