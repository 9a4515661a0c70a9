package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// desk is a host table and its writer over a store in memory.
type desk struct {
	t     *testing.T
	store *memory.Store
	table *hosts.Table
	*hosts.Writer
	ended chan error
}

func newDesk(t *testing.T, s *memory.Store, name string) *desk {
	t.Helper()
	return newDeskBeside(t, s, name, nil)
}

// newDeskBeside is newDesk with something that runs beside it.
func newDeskBeside(t *testing.T, s *memory.Store, name string, beside func(context.Context, job.Epoch) error) *desk {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	committer := commit.New(s, log, obs.Telemetry{})
	d := &desk{t: t, store: s, table: hosts.NewTable(s, log), ended: make(chan error, 1)}
	d.Writer = hosts.NewWriter(d.table, s, committer, name, log)
	d.Beside = beside
	ctx, cancel := context.WithCancel(t.Context())
	var below sync.WaitGroup
	below.Go(func() { _ = committer.Run(ctx) })
	owning, stop := context.WithCancel(t.Context())
	go func() { d.ended <- d.Run(owning) }()
	t.Cleanup(func() {
		stop()
		<-d.ended //nolint:errcheck // its end is what counts
		cancel()
		below.Wait()
	})
	synctest.Wait()
	return d
}

func host(id string) fleet.Host {
	return fleet.Host{
		ID: fleet.HostID(id), Address: "10.0.0.1", Room: "bj01", Labels: map[string]string{"app": "web"},
		Incarnation: fleet.Incarnation{1}, PublicKey: [32]byte{7}, KeyState: fleet.KeyAccepted,
	}
}

func (d *desk) register(id string) {
	d.t.Helper()
	if _, err := d.Register(d.t.Context(), host(id)); err != nil {
		d.t.Fatal(err)
	}
}

// attach says that a host has a session, and returns what changed.
func (d *desk) attach(via fleet.Via, id string, inc byte, session uint64, change func(*mesh.Attachment)) []fleet.HostID {
	d.t.Helper()
	a := mesh.Attachment{
		Host: fleet.HostID(id), Incarnation: fleet.Incarnation{inc}, Session: session, Attached: true,
		Address: "10.0.0.1", Since: time.Now(),
	}
	if change != nil {
		change(&a)
	}
	return d.table.Attach(mesh.Attachments{Via: via, Items: []mesh.Attachment{a}}, time.Now())
}

func (d *desk) row(id string) fleet.Host {
	d.t.Helper()
	row, ok := d.table.Row(fleet.HostID(id))
	if !ok {
		d.t.Fatalf("host %s is not known", id)
	}
	return row
}

func (d *desk) event(id string, inc byte) string {
	ev, ok := d.table.Event(job.Target{Host: fleet.HostID(id), Incarnation: fleet.Incarnation{inc}}, time.Now())
	if !ok {
		return "nothing"
	}
	switch ev := ev.(type) {
	case job.Reached:
		return fmt.Sprintf("reached %d", ev.Incarnation[0])
	case job.Gone:
		return "gone"
	}
	return "?"
}

func TestWhatAHostSaysOfItselfIsWrittenWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		before := d.row("h1").Revision
		d.attach("agg", "h1", 1, 1, nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := d.row("h1").Revision; got != before {
			t.Errorf("a host that says nothing new was written: revision %d after %d", got, before)
		}
		d.attach("agg", "h1", 1, 2, func(a *mesh.Attachment) { a.Address, a.Facts = "10.0.0.9", map[string]string{"os": "debian"} })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		got := d.row("h1")
		if got.Address != "10.0.0.9" || got.Facts["os"] != "debian" || got.Labels["app"] != "web" || got.Revision != before+1 {
			t.Errorf("the row is %+v", got)
		}
		d.attach("agg", "h1", 1, 3, func(a *mesh.Attachment) { a.Address, a.Facts = "10.0.0.9", map[string]string{"bad key!": ""} })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := d.row("h1"); got.Facts["os"] != "debian" || got.Revision != before+1 {
			t.Errorf("facts that are none were written: %+v", got)
		}
	})
}

func TestEverySchedulerSeesWhatTheOwnerWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		other := hosts.NewTable(d.store, slog.New(slog.DiscardHandler))
		for i := range 30 {
			d.register(fmt.Sprintf("h%02d", i))
		}
		if err := other.Poll(t.Context()); err != nil || other.Len() != 30 {
			t.Errorf("the other has %d hosts, %v", other.Len(), err)
		}
		d.attach("agg", "h07", 2, 1, nil)
		time.Sleep(10 * time.Second) // nobody has seen the incarnation before it end
		if err := other.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := other.Changed(time.Now()); len(got) != 1 || got[0] != "h07" {
			t.Errorf("changed are %v", got)
		}
		if got := other.Changed(time.Now()); len(got) != 0 {
			t.Errorf("changed are, once more, %v", got)
		}
	})
}

func TestASessionNotYetMissedSettlesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1") // incarnation 1
		d.attach("agg-a", "h1", 9, 5, func(a *mesh.Attachment) { a.Since = time.Now().Add(-time.Hour) })
		if got := d.event("h1", 1); got != "nothing" {
			t.Errorf("of a session of another life the job is told %q", got)
		}
		time.Sleep(time.Second)
		d.attach("agg-b", "h1", 1, 3, nil)
		if got := d.event("h1", 1); got != "reached 1" {
			t.Errorf("of the session of the row's incarnation the job is told %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := d.row("h1").Incarnation; got != (fleet.Incarnation{1}) {
			t.Errorf("the row has incarnation %v", got)
		}
	})
}

func TestANewIncarnationIsBelievedAtOnceIfTheOldOneWasSeenToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		d.attach("agg", "h1", 1, 1, nil)
		d.attach("agg", "h1", 1, 1, func(a *mesh.Attachment) { a.Attached = false })
		if got := d.event("h1", 1); got != "gone" {
			t.Errorf("of a host that went the job is told %q", got)
		}
		d.attach("agg", "h1", 2, 1, nil)
		if got := d.event("h1", 1); got != "nothing" {
			t.Errorf("before its row is written the job is told %q", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := d.event("h1", 1); got != "reached 2" {
			t.Errorf("of the new incarnation the job is told %q", got)
		}
		if got := d.table.Changed(time.Now()); len(got) != 1 {
			t.Errorf("changed are %v", got)
		}
	})
}

func TestAHostIsAwayOnlyAfterPatienceOrACompleteSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		for _, id := range []string{"h1", "h2"} {
			d.register(id)
			d.attach("agg", id, 1, 1, nil)
		}
		d.table.Lost("agg", time.Now())
		time.Sleep(59 * time.Second)
		if got := d.table.Changed(time.Now()); len(got) != 0 || d.event("h1", 1) != "nothing" {
			t.Errorf("after 59 s changed are %v, and the job is told %q", got, d.event("h1", 1))
		}
		time.Sleep(2 * time.Second)
		if got := d.table.Changed(time.Now()); len(got) != 2 || d.event("h1", 1) != "gone" {
			t.Errorf("after 61 s changed are %v, and the job is told %q", got, d.event("h1", 1))
		}
		changed := d.table.Attach(mesh.Attachments{Via: "agg", Begin: true, End: true, Items: []mesh.Attachment{
			{Host: "h1", Incarnation: fleet.Incarnation{1}, Session: 1, Attached: true, Since: time.Now()},
		}}, time.Now())
		if len(changed) == 0 || d.event("h1", 1) != "reached 1" || d.event("h2", 1) != "gone" {
			t.Errorf("after the snapshot changed are %v, told is %q and %q", changed, d.event("h1", 1), d.event("h2", 1))
		}
		if shown, err := d.table.Get("h1"); err != nil || !shown.Attached || shown.Via != "agg" {
			t.Errorf("the host is shown as %+v, %v", shown, err)
		}
	})
}

func targets(t *testing.T, ids ...string) *job.Targets {
	t.Helper()
	var b job.TargetsBuilder
	for _, id := range ids {
		if err := b.Add("bj01", job.Target{Host: fleet.HostID(id), Incarnation: fleet.Incarnation{1}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWhatIsSentGoesWhereTheHostsAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		for _, id := range []string{"h1", "h2", "h3"} {
			d.register(id)
		}
		d.attach("agg-a", "h1", 1, 1, nil)
		d.attach("agg-b", "h2", 1, 1, nil)
		list := targets(t, "h1", "h2", "h3")
		routes := d.table.Route(list, job.Send{
			Dispatch: []job.Dispatch{{Ordinal: 0}, {Ordinal: 2}}, Wishes: []job.Wish{{Ordinal: 1}}, Forget: []uint32{0, 1}, Query: []uint32{1, 2},
		})
		a, b := routes["agg-a"], routes["agg-b"]
		if len(routes) != 2 || len(a.Dispatch) != 1 || len(a.Forget) != 1 || len(a.Wishes) != 0 || len(b.Wishes) != 1 || len(b.Forget) != 1 || len(b.Query) != 1 {
			t.Errorf("routes are %+v, %+v", a, b)
		}
		var here []fleet.HostID
		d.table.Events(list, time.Now(), func(ev job.Event) { here = append(here, ev.(job.Reached).Host) })
		if len(here) != 2 {
			t.Errorf("attached are %v", here)
		}
	})
}

func TestATargetListIsCheckedAndAtMostFiveHostsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		pending := host("h2")
		pending.KeyState = fleet.KeyPending
		if _, err := d.Register(t.Context(), pending); err != nil {
			t.Fatal(err)
		}
		changed := host("h3")
		changed.Incarnation = fleet.Incarnation{4}
		if _, err := d.Register(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if err := d.table.Check(targets(t, "h1")); err != nil {
			t.Errorf("a good list: %v", err)
		}
		err := d.table.Check(targets(t, "h1", "h2", "h3", "n1", "n2", "n3", "n4", "n5", "n6", "n7"))
		for _, want := range []error{hosts.ErrBarred, hosts.ErrChanged, hosts.ErrNotKnown} {
			if !errors.Is(err, want) {
				t.Errorf("%v is not said: %v", want, err)
			}
		}
		if text := err.Error(); !strings.Contains(text, "n5 and 2 more") || strings.Contains(text, "n6") {
			t.Errorf("the error names %v", err)
		}
	})
}

func TestAnOwnerThatWasSucceededWritesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		first := newDesk(t, s, "s1")
		first.register("h1")
		second := newDesk(t, s, "s2")
		if _, err := first.Register(t.Context(), host("h2")); !errors.Is(err, hosts.ErrNotOwner) {
			t.Errorf("the owner before: %v", err)
		}
		if err := <-first.ended; !errors.Is(err, store.ErrFenced) {
			t.Errorf("the owner before ended with %v", err)
		}
		first.ended <- nil
		if _, err := first.Register(t.Context(), host("h3")); !errors.Is(err, hosts.ErrNotOwner) {
			t.Errorf("the owner before, once more: %v", err)
		}
		if second.row("h1").Revision != 1 {
			t.Error("the new owner does not have what the old one wrote")
		}
		second.register("h2")
	})
}

func TestARevokedKeyMayBeReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		revoked := host("h1")
		revoked.KeyState = fleet.KeyRevoked
		if _, err := d.Register(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Register(t.Context(), host("h1")); !errors.Is(err, hosts.ErrHost) {
			t.Errorf("the revoked key again: %v", err)
		}
		other := host("h1")
		other.PublicKey[0]++
		got, err := d.Register(t.Context(), other)
		if err != nil || got.PublicKey != other.PublicKey || got.KeyState != fleet.KeyAccepted {
			t.Errorf("another key: %+v, %v", got, err)
		}
	})
}

func TestAHostThatComesWithoutARowAsksForAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		owner := newDesk(t, s, "owner")
		other := hosts.NewTable(s, slog.New(slog.DiscardHandler))
		owner.register("h1")
		a := mesh.Attachment{Host: "h1", Incarnation: fleet.Incarnation{1}, Session: 1, Attached: true, Since: time.Now()}
		other.Attach(mesh.Attachments{Via: "a1", Items: []mesh.Attachment{a}}, time.Now())
		select {
		case <-other.Unknown():
		default:
			t.Fatal("nobody was told")
		}
		if err := other.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := other.Get("h1"); err != nil || !got.Attached {
			t.Errorf("after the poll: %+v, %v", got, err)
		}
		a.Session = 2
		other.Attach(mesh.Attachments{Via: "a1", Items: []mesh.Attachment{a}}, time.Now())
		if len(other.Unknown()) != 0 {
			t.Error("a host that has a row asks as well")
		}
	})
}

func TestAHostThatWasNeverSeenIsAwayOnceAMinuteHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		d.register("h2")
		d.attach("agg", "h1", 1, 1, nil)
		if got := d.table.Changed(time.Now()); len(got) != 0 || d.event("h2", 1) != "nothing" {
			t.Errorf("at the start changed are %v, and the job is told %q", got, d.event("h2", 1))
		}
		born := time.Now()
		time.Sleep(time.Minute)
		if got := d.table.Changed(time.Now()); len(got) != 1 || got[0] != "h2" {
			t.Errorf("after a minute changed are %v", got)
		}
		var told []job.Event
		d.table.Events(targets(t, "h1", "h2"), time.Now(), func(ev job.Event) { told = append(told, ev) })
		if len(told) != 2 || told[1] != (job.Gone{Host: "h2", Since: born}) {
			t.Errorf("a job is told %+v", told)
		}
		if got := d.table.Changed(time.Now()); len(got) != 0 {
			t.Errorf("it is said again: %v", got)
		}
	})
}

func TestTheHostsThatAreHereAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, memory.New(), "s1")
		d.register("h1")
		d.register("h2")
		d.attach("a1", "h1", 1, 1, nil)
		if known, here := d.table.Len(), d.table.Here(); known != 2 || here != 1 {
			t.Errorf("%d hosts are known and %d here, want 2 and 1", known, here)
		}
		d.table.Lost("a1", time.Now())
		if here := d.table.Here(); here != 0 {
			t.Errorf("without a stream %d hosts are here", here)
		}
	})
}

func TestWhatRunsBesideTheHostTableRunsUnderItsEpochAndEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		under := make(chan job.Epoch, 1)
		ended := make(chan struct{})
		d := newDeskBeside(t, s, "s1", func(ctx context.Context, epoch job.Epoch) error {
			defer close(ended)
			under <- epoch
			<-ctx.Done()
			return nil
		})
		if epoch := <-under; epoch.N != 1 {
			t.Errorf("it ran under %v", epoch)
		}
		if _, err := d.Register(t.Context(), host("h1")); err != nil {
			t.Errorf("the host table is not served meanwhile: %v", err)
		}
		newDesk(t, s, "s2")
		if _, err := d.Register(t.Context(), host("h2")); err == nil {
			t.Error("who was succeeded has written")
		}
		<-ended
		if err := <-d.ended; !errors.Is(err, store.ErrFenced) {
			t.Errorf("the ownership ended with %v", err)
		}
		d.ended <- nil
	})
}

func TestWhatRunsBesideTheHostTableEndsItsOwnershipWhenItIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeskBeside(t, memory.New(), "s1", func(context.Context, job.Epoch) error { return store.ErrFenced })
		if err := <-d.ended; !errors.Is(err, store.ErrFenced) {
			t.Errorf("it ended with %v", err)
		}
		d.ended <- nil
		if _, err := d.Register(t.Context(), host("h1")); !errors.Is(err, hosts.ErrNotOwner) {
			t.Errorf("it registers hosts: %v", err)
		}
	})
}
