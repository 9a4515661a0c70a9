package endprocess

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// BenchmarkALifeInACgroup is the whole life of an end-process around a program
// that does nothing, with every kind of cgroup that the host gives and without
// one. All take turns, so that what else the machine does hits all alike.
// Reported are the median and the fast tenth of each, in milliseconds.
func BenchmarkALifeInACgroup(b *testing.B) {
	root, err := spool.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	all := spool.Limits{MemoryBytes: 256 << 20, CPUMillis: 1000, PIDs: 100}
	kinds := map[string]struct {
		place  cgroup.Place
		limits spool.Limits
	}{"none": {}}
	for _, choice := range []cgroup.Choice{cgroup.UseV1, cgroup.UseV2} {
		found := cgroup.Find(cgroup.Search{Choice: choice, Prefix: "bench-", Program: program})
		if found.Place == (cgroup.Place{}) {
			b.Logf("this host gives no cgroup %s to this user: %v", choice, found.Why)
			continue
		}
		kind := kinds["none"]
		kind.place = found.Place
		kinds[string(choice)] = kind
		if len(found.Holds) == 3 {
			kind.limits = all
			kinds[string(choice)+"+limits"] = kind
		}
	}
	took := map[string][]time.Duration{}
	n := 0
	for b.Loop() {
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			n++
			k := kinds[name]
			took[name] = append(took[name], life(b, root, "c"+strconv.Itoa(n), k.place, k.limits))
		}
	}
	for name, all := range took {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-ms")
		b.ReportMetric(float64(all[len(all)/10].Microseconds())/1000, name+"-p10-ms")
	}
}

// life runs a command to its end.
func life(b *testing.B, root *spool.Root, id string, place cgroup.Place, limits spool.Limits) time.Duration {
	b.Helper()
	spec := spool.Spec{ID: id, Accepted: time.Now(), RememberUntil: time.Now().Add(time.Hour), Run: spool.Run{
		Argv: []string{"/bin/true"}, Keep: spool.DefaultKept, Grace: time.Second, Limits: limits,
	}}
	if err := root.Accept(spec, nil, nil); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, root.Path(id), "1")
	cmd.Env = append(marked(), spool.PlaceName+"="+strings.Join(place.Entries(), "\n"))
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
