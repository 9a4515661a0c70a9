// Package roomspool proves that a room which is cut off from all schedulers goes
// on with what it was given, whatever becomes of its aggregator.
package roomspool

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const (
	hosts      = 4
	aggregator = "aggregator-bj01-1"
)

// room is one with a single aggregator, so that nobody else remembers anything.
type room struct {
	*rig.Cluster
	loseDisk bool // with each kill of the aggregator
}

func start(t *testing.T, loseDisk bool) room {
	t.Helper()
	return room{rig.Start(t, devcluster.Options{Hosts: hosts, Rooms: []string{"bj01"}, AggregatorsPerRoom: 1}), loseDisk}
}

// TestARoomThatIsCutOffGoesOnThroughKillsOfItsAggregator: a host is away when it
// gets its command, no scheduler is left, and the aggregator is killed before the
// host is back, and again when it has its results.
func TestARoomThatIsCutOffGoesOnThroughKillsOfItsAggregator(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	w := rig.NewWitness(t)
	schedulers := r.schedulers()
	j, away := r.cutOff(t, w, schedulers)

	r.kill(t)
	r.Restart(t, away...)
	w.Await(t, hosts) // with no scheduler there: the spool alone has it
	r.awaitEnd(t, j.ID)
	r.kill(t)
	if n := len(w.Lines(t)); n != hosts {
		t.Fatalf("the witness saw %d starts", n)
	}

	r.Restart(t, schedulers...)
	rig.WantAll(t, r.Settled(t, j.ID), hosts, "FAILED status 7")
	r.once(t, w)
}

// TestLosingTheSpoolCostsTimeAlone is the same with the directory gone at each
// kill: what was to be dispatched waits for the schedulers, and comes then.
func TestLosingTheSpoolCostsTimeAlone(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	w := rig.NewWitness(t)
	schedulers := r.schedulers()
	j, away := r.cutOff(t, w, schedulers)

	r.kill(t)
	r.Restart(t, away...)
	if n := len(w.Lines(t)); n != hosts-len(away) {
		t.Fatalf("the witness saw %d starts, and the others were lost with the spool", n)
	}
	r.kill(t)

	r.Restart(t, schedulers...)
	rig.EventuallyWithin(t, 4*rig.Patience, func() string { // the pull comes every 30 s
		got, err := r.SDK.Job(t.Context(), j.ID)
		if err != nil {
			return err.Error()
		}
		if !got.Done() {
			return "the job is " + got.State
		}
		return ""
	})
	rig.WantAll(t, r.Tasks(t, j.ID), hosts, "FAILED status 7")
	r.once(t, w)
}

// TestASpoolThatCannotBeReadIsSetAside: a byte of the log is another one.
func TestASpoolThatCannotBeReadIsSetAside(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	w := rig.NewWitness(t)
	done := r.Run(t, client.Request{Command: rig.Sh(w.Says("ran") + "echo hello; exit 7")})
	rig.WantAll(t, r.Settled(t, done.ID), hosts, "FAILED status 7")
	r.Kill9(t, aggregator)
	logs, err := filepath.Glob(filepath.Join(r.spool(), "log.*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("the spool has no log: %v", err)
	}
	raw, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	raw[12] ^= 1 // of the header
	if err := os.WriteFile(logs[0], raw, 0o600); err != nil {
		t.Fatal(err)
	}
	r.Restart(t, aggregator)
	if reason, err := os.ReadFile(filepath.Join(r.spool(), "damaged", "reason")); err != nil || len(reason) == 0 {
		t.Errorf("no reason is given: %q %v", reason, err)
	}
	later := r.Run(t, client.Request{Command: rig.Sh(w.Says("ran") + "exit 7")})
	rig.WantAll(t, r.Settled(t, later.ID), hosts, "FAILED status 7")
	if n := len(w.Lines(t)); n != 2*hosts {
		t.Errorf("the witness saw %d starts", n)
	}
}

func (r room) spool() string { return filepath.Join(r.Dir(), "state", aggregator, "spool") }

func (r room) schedulers() (names []string) {
	for _, name := range r.Processes() {
		if strings.HasPrefix(name, "scheduler-") {
			names = append(names, name)
		}
	}
	return names
}

// cutOff releases a job to hosts of which some do not listen just now, and ends
// all schedulers once the releases are on their way.
func (r room) cutOff(t *testing.T, w rig.Witness, schedulers []string) (j client.Job, away []string) {
	t.Helper()
	away = []string{"agent-h1", "agent-h2"}
	r.Pause(t, away...)
	j = r.Run(t, client.Request{Command: rig.Sh(w.Says("$(hostname)-$$") + "echo hello; exit 7")})
	w.Await(t, hosts-len(away))
	for _, host := range []string{"h1", "h2"} {
		r.AwaitState(t, j.ID, host, "DISPATCHED")
	}
	r.awaitSpooled(t, j.ID)
	r.Kill9(t, schedulers...)
	r.Kill9(t, away...) // with what their kernel held for them
	return j, away
}

// awaitSpooled waits until the releases of the job are in the log.
func (r room) awaitSpooled(t *testing.T, id string) {
	t.Helper()
	var want []string
	for _, host := range []string{"h1", "h2"} {
		want = append(want, r.taskKey(t, id, host))
	}
	rig.Eventually(t, func() string {
		logs, err := filepath.Glob(filepath.Join(r.spool(), "log.*"))
		if err != nil {
			return err.Error()
		}
		var text strings.Builder
		for _, name := range logs {
			raw, err := os.ReadFile(name)
			if err != nil {
				return err.Error()
			}
			text.Write(raw)
		}
		if i := slices.IndexFunc(want, func(key string) bool { return !strings.Contains(text.String(), key) }); i >= 0 {
			return "the spool has nothing of one of the hosts that do not listen"
		}
		return ""
	})
}

// kill ends the aggregator without a word, with its disk if that is to be lost,
// and starts it again.
func (r room) kill(t *testing.T) {
	t.Helper()
	r.Kill9(t, aggregator)
	if r.loseDisk {
		if err := os.RemoveAll(r.spool()); err != nil {
			t.Fatal(err)
		}
	}
	r.Restart(t, aggregator)
}

// awaitEnd waits until no process of a job is left.
func (r room) awaitEnd(t *testing.T, id string) {
	t.Helper()
	rig.Eventually(t, func() string {
		if n := len(rig.Processes(t, id)); n > 0 {
			return "commands still run"
		}
		return ""
	})
}

// once checks that the witness saw every host once.
func (r room) once(t *testing.T, w rig.Witness) {
	t.Helper()
	lines := w.Lines(t)
	slices.Sort(lines)
	if n := len(slices.Compact(slices.Clone(lines))); n != hosts || len(lines) != hosts {
		t.Errorf("the witness saw %v", lines)
	}
}
