package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// grouped runs a test on a host of each version of cgroups that there is.
func grouped(t *testing.T, test func(h *host)) {
	t.Helper()
	some := false
	for _, choice := range []string{cgroup.V1, cgroup.V2} {
		found := cgroup.Find(cgroup.Search{Choice: cgroup.Choice(choice), Prefix: "test-probe-", Program: endProcess})
		if found.Place.Version() != choice {
			continue
		}
		some = true
		t.Run(choice, func(t *testing.T) {
			h := newHost(t)
			h.cgroup = choice
			h.launch()
			test(h)
		})
	}
	if !some {
		t.Skip("this host gives no cgroup to this user: run the tests as root, with cgroups mounted writable")
	}
}

// group is the cgroup of the command's first attempt.
func (h *host) group(id string) cgroup.Group {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", id))
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	a, err := dir.Attempt(1)
	if err != nil {
		h.Fatal(err)
	}
	return a.Group
}

// isThere reports whether any directory of the group is.
func isThere(g cgroup.Group) bool {
	for _, entry := range g.Entries() {
		if _, path, _ := strings.Cut(entry, "="); exists(path) {
			return true
		}
	}
	return false
}

// naming are the processes that were given the text as an argument.
func (h *host) naming(text string) (pids []int) {
	h.Helper()
	table, err := proc.Table()
	if err != nil {
		h.Fatal(err)
	}
	for _, st := range table {
		if line, err := os.ReadFile("/proc/" + strconv.Itoa(st.PID) + "/cmdline"); err == nil && strings.Contains(string(line), text) {
			pids = append(pids, st.PID)
		}
	}
	return pids
}

// hidden is a line of shell that leaves a process behind which has no parent, no
// environment and a session of its own, and is deaf to TERM.
func hidden(file string) string {
	return `(setsid env -i /bin/sh -c 'trap "" TERM; echo up >>` + file + `; while :; do /bin/sleep 0.05; done' >/dev/null 2>&1 &); `
}

func TestWhatHidesFromATakeOverIsFoundInItsCgroup(t *testing.T) {
	grouped(t, func(h *host) {
		file := filepath.Join(h.TempDir(), "witness")
		h.accept(shell("a", hidden(file)+"exec /bin/sleep 300"))
		h.poll("the hidden process", func() bool { return exists(file) })
		h.running("a")
		h.killEndProcess("a")
		h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
		h.stop("a", 1)
		h.becomes("a", task.Canceled, task.Exit{Reason: task.Killed, Signal: int32(unix.SIGTERM)})
		if left := h.naming(file); len(left) != 0 {
			h.Errorf("it is canceled and %d live", left)
		}
		h.poll("the removal of its group", func() bool { return !isThere(h.group("a")) })
	})
}

func TestALossIsNotReportedWhileAnybodyLivesInItsCgroup(t *testing.T) {
	grouped(t, func(h *host) {
		file := filepath.Join(h.TempDir(), "witness")
		h.accept(shell("a", hidden(file)+"while ! [ -e "+file+" ]; do /bin/sleep 0.01; done; exec /bin/sleep 300"))
		c := h.running("a")
		h.poll("the hidden process", func() bool { return exists(file) })
		end, leader := h.supervisor("a"), h.leader("a")
		h.kill() // so that nobody can say how the leader ends
		killExactly(h.T, end)
		killExactly(h.T, leader)
		if len(h.naming(file)) == 0 {
			h.Fatal("nobody lives before the loss")
		}
		h.launch()
		h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
		if left := h.naming(file); len(left) != 0 {
			h.Errorf("attempt %d is lost and %d live", c.Report.Attempt, left)
		}
		h.poll("the removal of its group", func() bool { return !isThere(h.group("a")) })
	})
}

// killExactly returns when the process has ended.
func killExactly(t *testing.T, id proc.Identity) {
	t.Helper()
	p, err := proc.Open(id)
	if errors.Is(err, proc.ErrGone) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(unix.SIGKILL); err != nil && !errors.Is(err, proc.ErrGone) {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestGroupsOfCommandsThatAreOverAreSweptAndOthersStay(t *testing.T) {
	grouped(t, func(h *host) {
		file := filepath.Join(h.TempDir(), "witness")
		o := shell("left", hidden(file)+"while ! [ -e "+file+" ]; do /bin/sleep 0.01; done")
		o.Spec.Run.LeaveDescendants = true
		h.accept(o)
		h.becomes("left", task.Succeeded, task.Exit{})
		gate, open, _ := gated(h.T, "running")
		h.accept(gate)
		h.running("running")
		left, running := h.group("left"), h.group("running")
		// As of a command that nobody knows any more.
		unknown, _ := placeOf(h.T, left).Group("unknown", 1, cgroup.Limits{}).Make(cgroup.Limits{})

		h.kill()
		h.launch()
		h.poll("the sweep", func() bool { return !isThere(unknown) })
		if !isThere(left) || !isThere(running) || len(h.naming(file)) == 0 {
			h.Fatal("a group with processes was swept")
		}

		h.kill()
		tree := proc.Grouped{Group: left, Also: proc.Orphans{}}
		h.poll("the end of what was left running", func() bool {
			alive, err := tree.Alive()
			return err == nil && (!alive || tree.Signal(unix.SIGKILL) != nil)
		})
		h.launch()
		h.poll("the sweep of what was left running", func() bool { return !isThere(left) })
		if !isThere(running) {
			h.Error("the group of a running command was swept")
		}
		open()
		h.becomes("running", task.Failed, task.Exit{Code: 7})
		h.poll("the removal of its group", func() bool { return !isThere(running) })
	})
}

// placeOf is where a group named left.1 was made.
func placeOf(t *testing.T, g cgroup.Group) cgroup.Place {
	t.Helper()
	var entries []string
	for _, entry := range g.Entries() {
		entries = append(entries, strings.TrimSuffix(entry, "left.1"))
	}
	p, err := cgroup.ParsePlace(entries)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnExecutorTellsWhatItsCgroupsHold(t *testing.T) {
	grouped(t, func(h *host) {
		info, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{})
		if err != nil || info.GetCgroup() != h.cgroup {
			h.Fatalf("it tells %v, %v", info, err)
		}
		for _, limit := range []struct {
			name string
			set  spool.Limits
		}{
			{cgroup.MemoryLimit, spool.Limits{MemoryBytes: 64 << 20}},
			{cgroup.CPULimit, spool.Limits{CPUMillis: 900}},
			{cgroup.PIDsLimit, spool.Limits{PIDs: 50}},
		} {
			o := shell(limit.name, "true")
			o.Spec.Run.Limits = limit.set
			h.accept(o)
			c := h.ended(limit.name)
			held := c.Report.State == task.Succeeded && c.Detail.Message == ""
			if told := strings.Contains(strings.Join(info.GetCgroupLimits(), ","), limit.name); held != told {
				h.Errorf("it tells that it holds %q; a limit of %s ends in %v: %s", info.GetCgroupLimits(), limit.name, c.Report, c.Detail.Message)
			}
		}
	})
	h := boot(t)
	if info, err := h.api.GetInfo(h.ctx(), &executorv1.GetInfoRequest{}); err != nil || info.GetCgroup() != cgroup.None || len(info.GetCgroupLimits()) != 0 {
		t.Errorf("without cgroups it tells %v, %v", info, err)
	}
}

// classed is a gated command of a slot group.
func classed(t *testing.T, class, id string) (o wire.StartOrder, open func()) {
	t.Helper()
	o, open, _ = gated(t, id)
	o.Spec.SlotGroup = class
	return o, open
}

func TestOneClassCannotFillAHostAndAllTogetherHaveALimit(t *testing.T) {
	h := newHost(t)
	h.slots, h.total = 2, 3
	h.launch()
	var open []func()
	start := func(class, id string) {
		o, gate := classed(t, class, id)
		open = append(open, gate)
		h.accept(o)
	}
	for _, id := range []string{"a1", "a2", "a3", "a4"} {
		start("a", id) // two run, two wait
	}
	start("b", "b1")
	h.running("a1")
	h.running("a2")
	h.running("b1") // the class a has not taken the last place
	for _, id := range []string{"b2", "c1"} {
		start(id[:1], id) // the host is full
	}
	open[0]()
	h.ended("a1")
	h.running("c1") // the class of which nothing runs comes first
	open[1]()
	h.ended("a2")
	h.running("a3") // now a has none
	for i, id := range []string{"a1", "a2", "a3", "a4", "b1", "b2", "c1"} {
		open[i]()
		h.becomes(id, task.Failed, task.Exit{Code: 7})
	}
}
