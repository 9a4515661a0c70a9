package aggregator

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/roomspool/memory"
	"github.com/ccs-project/ccs/pkg/wire"
)

// bench is a hub with a disk and one host, without anything that runs by itself:
// a test says when the disk writes, and when the process is killed.
type bench struct {
	t       *rapid.T
	disk    *memory.Disk
	hub     *hub
	session *session
	number  uint64 // of sessions
	beats   uint64 // of this session
	spool   string

	// What the host knows.
	held map[job.ID]task.State // and is not forgotten
	had  map[job.ID]task.State // of that, what it believes to be at the aggregator
	sent map[uint64]map[job.ID]task.State
}

// boot starts a process on the disk.
func (b *bench) boot() {
	b.disk.Crash()
	kept, err := b.disk.Open()
	if err != nil {
		b.t.Fatal(err)
	}
	b.hub = newHub(DefaultConfig(), slog.New(slog.DiscardHandler), obs.Telemetry{})
	b.hub.ledger.most = rapid.IntRange(1, 3).Draw(b.t, "items of a batch")
	if err := b.hub.restore(b.t.Context(), kept); err != nil {
		b.t.Fatal(err)
	}
	b.session = nil
}

// connect opens a session; what was sent and not acknowledged is said again, and
// all of it if the spool is another.
func (b *bench) connect() {
	b.number++
	se, err := b.hub.open(wire.Hello{Host: "h1", Incarnation: incarnationOf("h1"), Session: b.number, Spool: b.spool}, wire.SessionVersions.Max, "")
	if err != nil {
		b.t.Fatal(err)
	}
	b.session, b.beats, b.sent = se, 0, map[uint64]map[job.ID]task.State{}
	if b.spool != b.hub.spool {
		clear(b.had)
	}
	b.spool = b.hub.spool
	b.hear()
}

// say sends a heartbeat with what the aggregator is not known to have.
func (b *bench) say() {
	b.beats++
	hb := &sessionv1.Heartbeat{Number: b.beats, HaveReply: b.session.replies, Credits: wire.CreditsToProto(wire.Credits{"standard": 100})}
	said := map[job.ID]task.State{}
	for id, state := range b.held {
		if b.had[id] != state {
			said[id] = state
			hb.Reports = append(hb.Reports, wire.ReportToProto(wire.Report{Job: id, Pool: "standard", Class: "standard", Seen: task.Report{Attempt: 1, State: state}}))
		}
	}
	hb.ResyncComplete = true
	b.sent[b.beats] = said
	b.session.up.grant(wire.Credits{"standard": 100})
	if err := b.session.heartbeat(b.t.Context(), hb); err != nil {
		b.t.Fatal(err)
	}
	b.hear()
}

// hear takes the replies that are due.
func (b *bench) hear() {
	for {
		out, _ := b.hub.reply(b.t.Context(), b.session)
		if out == nil {
			return
		}
		for n := uint64(1); n <= out.GetReply().GetHaveHeartbeat(); n++ {
			for id, state := range b.sent[n] {
				b.had[id] = max(b.had[id], state)
			}
			delete(b.sent, n)
		}
		for _, id := range out.GetReply().GetForget() {
			delete(b.held, job.ID(id))
			delete(b.had, job.ID(id))
		}
		if out.GetReply().GetResync() {
			clear(b.had)
		}
	}
}

// forget is the owner's word that it has an outcome.
func (b *bench) forget(id job.ID) {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	ho := b.hub.hosts["h1"]
	if ho == nil {
		return
	}
	for r := ho.tasks[id]; r != nil; r = r.next {
		r.forget()
	}
	ho.addForget(id)
}

// TestWhatAHostBelievesToBeHadIsNeverLost kills the process at any moment between
// what it hears, writes and says. What a host believes to be had is then on the
// disk, or its owner has it and the host will be asked for everything.
func TestWhatAHostBelievesToBeHadIsNeverLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &bench{t: t, disk: memory.NewDisk(0), held: map[job.ID]task.State{}, had: map[job.ID]task.State{}}
		b.boot()
		b.connect()
		forgotten := map[job.ID]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := job.NewID(time.Unix(1_700_000_000, 0), [10]byte{byte(rapid.IntRange(1, 4).Draw(t, "job"))})
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0, 1:
				if !forgotten[id] {
					b.held[id] = max(b.held[id], rapid.SampledFrom([]task.State{task.Accepted, task.Running, task.Succeeded}).Draw(t, "state"))
				}
			case 2:
				b.say()
			case 3:
				_, _ = b.hub.commit() // fails where the disk does
				b.hear()
			case 4:
				if b.held[id] == task.Succeeded && b.hub.hosts["h1"].tasks[id] != nil {
					forgotten[id] = true
					b.forget(id)
				}
			case 5:
				b.hub.leave(b.session)
				b.connect()
			case 6:
				b.boot()
				b.check(forgotten)
				b.connect()
			case 7:
				var failing error
				if rapid.Bool().Draw(t, "the disk fails") {
					failing = errors.New("no space left on device")
				}
				b.disk.Fail(failing)
			}
		}
		b.finish(forgotten)
	})
}

// check looks, before the host has said a word, at what the new process knows.
func (b *bench) check(forgotten map[job.ID]bool) {
	ho := b.hub.hosts["h1"]
	for id, state := range b.had {
		r := ho.record(id, incarnationOf("h1"))
		if known := r != nil && r.said != nil && r.seen.State >= state; known {
			continue
		}
		if !forgotten[id] {
			b.t.Fatalf("the host believes %v of job %s to be had, and nothing of it is here", state, id)
		}
		if ho == nil || !ho.lossy {
			b.t.Fatalf("the Forget of job %s is lost, and the host is not asked for everything", id)
		}
	}
}

// finish lets all become well: then the host holds nothing that was forgotten.
func (b *bench) finish(forgotten map[job.ID]bool) {
	b.disk.Fail(nil)
	for range 5 {
		b.say()
		b.hub.flush(b.t.Context())
		if err := b.hub.ledger.Fault(); err != nil {
			b.t.Fatal(err)
		}
		b.hear()
		for id := range forgotten {
			if _, still := b.held[id]; still {
				b.forget(id) // the owner says it again to who reports again
			}
		}
	}
	for id := range b.held {
		if forgotten[id] {
			b.t.Fatalf("job %s is forgotten, and the host still keeps it", id)
		}
		if b.had[id] != b.held[id] {
			b.t.Fatalf("job %s is %v, and had is %v", id, b.held[id], b.had[id])
		}
	}
}

func TestWhatComesAndGoesBetweenTwoWritesIsNotWritten(t *testing.T) {
	b := newHub(DefaultConfig(), slog.New(slog.DiscardHandler), obs.Telemetry{})
	for n := range 100 {
		r := b.host(fleet.HostID(hostName(n))).hold(b.job(job.ID{1}), incarnationOf("h"), "standard")
		r.wish = task.DesiredStop
		r.changed()
		r.forget()
	}
	if batch := b.nextBatch(false); len(batch.pages) != 0 {
		t.Errorf("%d entries are written", len(batch.pages))
	}
}

func TestABatchIsBounded(t *testing.T) {
	b := newHub(DefaultConfig(), slog.New(slog.DiscardHandler), obs.Telemetry{})
	for n := range 2*commitItems + 1 {
		r := b.host(fleet.HostID(hostName(n))).hold(b.job(job.ID{1}), incarnationOf("h"), "standard")
		r.wish = task.DesiredStop
		r.changed()
	}
	for _, want := range []uint64{commitItems, 2 * commitItems, 2*commitItems + 1} {
		if _, err := b.commit(); err != nil || b.ledger.durable != want {
			t.Fatalf("up to %d is durable, want %d: %v", b.ledger.durable, want, err)
		}
	}
	if n := b.ledger.spool.Usage().Entries; n != 2*commitItems+1 {
		t.Errorf("%d entries", n)
	}
}

func TestWhatIsKeptOfATaskIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := keptTask{attempt: rapid.Uint32().Draw(t, "attempt"), wish: rapid.SampledFrom([]task.Desired{0, task.DesiredWithdraw, task.DesiredStop}).Draw(t, "wish")}
		if rapid.Bool().Draw(t, "released") {
			k.release = &job.Dispatch{Ordinal: rapid.Uint32().Draw(t, "ordinal"), Attempt: rapid.Uint32Range(1, 9).Draw(t, "its attempt"), Want: rapid.SampledFrom([]task.Desired{task.DesiredRun, task.DesiredWithdraw, task.DesiredStop}).Draw(t, "want")}
			k.attempt = k.release.Attempt
		}
		if rapid.Bool().Draw(t, "said") {
			k.said = wire.ReportToProto(wire.Report{Job: job.NewID(time.Unix(1, 0), [10]byte{1}), Pool: "p", Class: "c", Seen: task.Report{Attempt: 1, State: task.Running}})
		}
		got, err := readKeptTask(k.bytes())
		if err != nil || fmt.Sprint(got.release, got.attempt, got.wish, got.said) != fmt.Sprint(k.release, k.attempt, k.wish, k.said) {
			t.Fatalf("read %+v of %+v: %v", got, k, err)
		}
	})
}

// FuzzKept reads what no aggregator wrote.
func FuzzKept(f *testing.F) {
	f.Add(keptTask{attempt: 1}.bytes(), string(make([]byte, 33)))
	f.Add([]byte{keptVersion, bitSaid, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}, "")
	f.Fuzz(func(t *testing.T, value []byte, key string) {
		if k, err := readKeptTask(value); err == nil && k.release != nil && k.release.Attempt == 0 {
			t.Error("a release without an attempt")
		}
		_, _ = readKeptJob(value)
		_, _ = readKeptRun(value)
		_, _, _, _ = readTaskKey(key)
		disk := memory.NewDisk(0)
		s, err := disk.Open()
		if err != nil {
			t.Fatal(err)
		}
		h := newHub(DefaultConfig(), slog.New(slog.DiscardHandler), obs.Telemetry{})
		re := &restoring{hub: h, ctx: t.Context()}
		if key != "" && key[0] != keptJobs && key[0] != keptRuns && key[0] != keptBlobs {
			if err := re.entry(key, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheMarkOfAForgetIsWrittenNoLaterThanTheDeletion(t *testing.T) {
	h := newHub(DefaultConfig(), slog.New(slog.DiscardHandler), obs.Telemetry{})
	h.ledger.most = 1
	ho := h.host("h1")
	r := ho.hold(h.job(job.ID{1}), incarnationOf("h1"), "standard")
	r.setSaid(&sessionv1.Report{}, task.Report{Attempt: 1, State: task.Succeeded}, false)
	if _, err := h.commit(); err != nil {
		t.Fatal(err)
	}
	r.forget()
	ho.addForget(job.ID{1})
	if _, err := h.commit(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	if err := h.ledger.spool.All(func(key string, _ []byte) error { keys = append(keys, key); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || keys[0] != hostKey("h1") {
		t.Errorf("after one more write the disk has %q", keys)
	}
}
