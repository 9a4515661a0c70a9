package hosttorture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
)

// bootID is where the kernel tells it.
const bootID = "/proc/sys/kernel/random/boot_id"

// site is a cluster whose hosts have their state on a disk that can lose power.
type site struct {
	*rig.Cluster
	root  string
	disk  *disk
	hosts []string // names of their processes
}

func newSite(t *testing.T, r *rand.Rand) *site {
	t.Helper()
	s := &site{root: rig.Dir(t)}
	s.disk = newDisk(t, s.root)
	s.boot(t, r)
	if err := unix.Mount(s.bootFile(), bootID, "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("cannot bind another boot id: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(bootID, unix.MNT_DETACH) })
	settings := map[string]map[string]any{}
	for n := range hosts {
		for _, tier := range []string{"executor", "agent"} {
			name := fmt.Sprintf("%s-h%d", tier, n+1)
			s.hosts = append(s.hosts, name)
			settings[name] = map[string]any{"state_dir": s.state(name)}
			if err := os.Mkdir(s.state(name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Cluster = rig.Start(t, devcluster.Options{
		Dir: filepath.Join(s.root, "c"), Hosts: hosts, Rooms: []string{"bj01"}, Settings: settings,
	})
	return s
}

// state is the state directory of a host's process.
func (s *site) state(name string) string { return filepath.Join(s.disk.dir, name) }

func (s *site) bootFile() string { return filepath.Join(s.root, "boot_id") }

// boot makes a new boot id.
func (s *site) boot(t *testing.T, r *rand.Rand) {
	t.Helper()
	id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x\n", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
	if err := os.WriteFile(s.bootFile(), []byte(id), 0o600); err != nil {
		t.Fatal(err)
	}
}

// losePower ends every process of every host at one instant, takes from their
// disk what was not synced, and lets the hosts boot.
func (k *killer) losePower() {
	k.t.Helper()
	s := k.site
	s.freeze(k.t)
	s.disk.snapshot()
	k.reboots = append(k.reboots, time.Now())
	s.Kill9All(k.t, s.hosts)
	rig.Eventually(k.t, func() string {
		left := s.onHosts(k.t)
		for _, p := range left {
			if err := unix.Kill(p.PID, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return err.Error()
			}
		}
		if len(left) > 0 {
			return fmt.Sprintf("%d processes survive the loss of power, first %q", len(left), left[0].Args)
		}
		return ""
	})
	s.disk.restore()
	s.boot(k.t, k.rand)
	s.RestartAll(k.t, s.hosts)
}

// freeze stops all processes of the hosts. What forks meanwhile is found by
// looking until nothing is new. What is within execve(2) all the while can be
// missed: it may leave a line for the witness, but writes nothing to the disk.
func (s *site) freeze(t *testing.T) {
	t.Helper()
	known := map[int]bool{}
	for quiet := 0; quiet < 3; quiet++ {
		for _, p := range s.onHosts(t) {
			if known[p.PID] {
				continue
			}
			known[p.PID], quiet = true, 0
			if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
	}
}

// onHosts are the living processes of the hosts: agents, executors, end-processes
// and whatever commands have started.
func (s *site) onHosts(t *testing.T) []rig.Process {
	t.Helper()
	return slices.DeleteFunc(rig.Processes(t, s.root), func(p rig.Process) bool {
		return !rig.Alive(p.PID) || isTier(p, "ccs-access", "ccs-scheduler", "ccs-aggregator", "ccs-issuer", "devcluster") || p.Args[0] == os.Args[0]
	})
}

func isTier(p rig.Process, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(p.Args[0], name) })
}
