package aggregator

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAHostIsWelcomedAndAnsweredAtEveryHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		if a.welcome.GetVersion() != wire.SessionVersions.Max || a.welcome.GetAggregator() != "agg-1" || a.welcome.GetSpoolId() == "" ||
			a.welcome.GetHeartbeatInterval().AsDuration() != 10*time.Second || len(a.welcome.GetCredits()) == 0 {
			t.Errorf("welcome is %v", a.welcome)
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		replies := a.seen()
		if len(replies) != 2 || replies[1].GetNumber() != 2 || replies[1].GetHeartbeat() != 2 || replies[1].GetHaveHeartbeat() != 2 {
			t.Errorf("replies are %v", replies)
		}
	})
}

func TestACommandComesEarlyAndTakesNoTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		within(t, 0, "a command and its report", func() {
			s.dispatch(j, "h1")
			if got := a.commands(); len(got) != 1 {
				t.Fatalf("%d commands came, want 1", len(got))
			}
			a.say(a.report(j, task.Succeeded))
			if got := states(s.reports(), j.id); len(got) != 1 || got[0] != task.Succeeded {
				t.Fatalf("reports are %v", got)
			}
		})
		replies := a.seen()
		if early := replies[1]; early.GetHeartbeat() != 0 || early.GetNumber() != 2 {
			t.Errorf("the command came with %v, not early", early)
		}
		d, err := wire.DeliveryFromProto(a.commands()[0])
		if err != nil {
			t.Fatal(err)
		}
		signed, err := capsule.Open(*d.Capsule)
		if err != nil {
			t.Fatal(err)
		}
		if err := signed.CheckTarget("h1", incarnationOf("h1"), d.Proof); err != nil || d.Pool != "standard" || d.Attempt != 1 || d.Digest != j.envelope.Digest() {
			t.Errorf("delivered %+v, proof: %v", d, err)
		}
	})
}

func TestTheNewestSessionWins(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.here("h1")
		s := w.owner("s1", 1)
		fresh := w.agent("h1")
		fresh.session = old.session
		if err := fresh.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if got := status.Code(old.failure()); got != codes.Unavailable {
			t.Errorf("the old session ended with %v", old.failure())
		}
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		if len(fresh.commands()) != 1 {
			t.Error("the new session got no command")
		}
		last := s.attachments()[len(s.attachments())-1].GetItems()
		if n := len(last); n != 1 || !last[0].GetAttached() || last[0].GetSession() != 2 {
			t.Errorf("attachments say %v", last)
		}
	})
}

func TestASessionCounterThatGoesBackIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		for _, number := range []uint64{0, a.session} {
			back := w.agent("h1")
			back.session = number - 1
			err := back.connect()
			want := codes.FailedPrecondition
			if number == 0 {
				want = codes.InvalidArgument
			}
			if status.Code(err) != want {
				t.Errorf("session %d after %d: %v", number, a.session, err)
			}
		}
		if a.failure() != nil {
			t.Errorf("the right session has ended: %v", a.failure())
		}
		wiped := w.agent("h1")
		wiped.inc = fleet.Incarnation{1}
		if err := wiped.connect(); err != nil {
			t.Errorf("a new incarnation is refused: %v", err)
		}
	})
}

func TestAHostSpeaksForItselfAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.conn = w.dial(identity.Host, "h2", w.session)
		stream, err := sessionv1.NewSessionServiceClient(a.conn).Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello := wire.HelloToProto(wire.Hello{Versions: wire.SessionVersions, Host: "h1", Incarnation: a.inc, Session: 1})
		if err := stream.Send(&sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
			t.Errorf("h2 as h1: %v", err)
		}
		_ = a.conn.Close()
		a.conn = nil
		scheduler := w.dial(identity.Scheduler, "s1", w.session)
		defer func() { _ = scheduler.Close() }()
		other, err := sessionv1.NewSessionServiceClient(scheduler).Connect(t.Context())
		if err == nil {
			_, err = other.Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("a scheduler at the port of the hosts: %v", err)
		}
	})
}

func TestAHostThatIsSilentForThreeIntervalsIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		s.clear()
		w.pass(29 * time.Second)
		if a.failure() != nil || len(s.attachments()) != 0 {
			t.Fatalf("away after 29 s: %v", a.failure())
		}
		w.pass(time.Second)
		if status.Code(a.failure()) != codes.Unavailable {
			t.Errorf("session ended with %v", a.failure())
		}
		got := s.attachments()
		if len(got) != 1 || got[0].GetItems()[0].GetAttached() {
			t.Errorf("attachments say %v", got)
		}
	})
}

func TestNewSessionsAreAdmittedAtABoundedRate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		refused := 0
		for i := range 8 {
			err := w.agent(hostName(i)).connect()
			if err == nil {
				continue
			}
			refused++
			if delay := wire.RetryDelay(err); status.Code(err) != codes.Unavailable || delay <= 0 || delay > mostRetry {
				t.Errorf("refused with %v, retry after %s", err, delay)
			}
		}
		if refused != 3 {
			t.Errorf("%d of 8 were refused at once, want 3 at a rate of 5", refused)
		}
		w.pass(time.Second)
		if err := w.agent("late").connect(); err != nil {
			t.Errorf("refused later: %v", err)
		}
	}, func(c *Config) { c.AdmitPerSecond = 5 })
}

func TestAFullAggregatorSendsHostsElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		err := w.agent("h2").connect()
		if status.Code(err) != codes.Unavailable || wire.RetryDelay(err) < atCapacity/2 {
			t.Errorf("the second host: %v, retry after %s", err, wire.RetryDelay(err))
		}
		if err := a.connect(); err != nil {
			t.Errorf("the first host again: %v", err)
		}
	}, func(c *Config) { c.MaxSessions = 1 })
}

func TestANewerBundleIsOfferedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		holder := w.agent("h2")
		holder.bundle = 7
		if err := holder.connect(); err != nil {
			t.Fatal(err)
		}
		a := w.here("h1")
		w.publish(7)
		w.settle()
		if n := len(a.seen()); n != 1 {
			t.Errorf("a bundle alone caused %d replies", n-1)
		}
		for range 2 {
			a.beat(&sessionv1.Heartbeat{})
			holder.beat(&sessionv1.Heartbeat{})
			w.settle()
		}
		offered := 0
		for _, r := range append(a.seen(), holder.seen()...) {
			if r.GetBundle() != nil {
				offered++
			}
		}
		if offered != 1 || a.seen()[1].GetBundle() == nil {
			t.Errorf("offered %d times: %v", offered, a.seen())
		}
	})
}

func TestABundleGoesBeforeTheCommandThatNeedsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		w.publish(3)
		w.settle()
		s.dispatch(w.job("standard", 0, "h1"), "h1")
		replies := a.seen()
		last := replies[len(replies)-1]
		if last.GetBundle() == nil && replies[len(replies)-2].GetBundle() == nil || len(a.commands()) != 1 {
			t.Errorf("replies are %v", replies)
		}
	})
}

func TestABundleThatCannotBeReadIsNotOffered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		if err := coord.PutBundle(t.Context(), w.coord, []byte(`{"payloadType":"text/plain","payload":"eA==","signatures":[]}`)); err != nil {
			t.Fatal(err)
		}
		w.settle()
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if a.seen()[1].GetBundle() != nil || !w.log.has("published bundle cannot be read") {
			t.Error("a thing that is no bundle was offered")
		}
	})
}

func TestWhatLivesElsewiseThanReportedIsAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		right, wrong := wire.LiveDigest([]job.ID{j.id}), wire.LiveDigest(nil)
		live := func(n uint32, digest [32]byte) {
			a.beat(&sessionv1.Heartbeat{LiveCommands: n, LiveDigest: digest[:]})
			w.settle()
		}
		live(1, right)
		live(1, wrong)
		live(1, right)
		live(0, wrong)
		if a.resyncs() != 0 {
			t.Fatal("one heartbeat of difference, which a report on its way explains, caused a resync")
		}
		live(0, wrong)
		if a.resyncs() != 1 {
			t.Fatal("a difference that stays caused no resync")
		}
		s.clear()
		s.query(j, "h1")
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true, Reports: []*sessionv1.Report{wire.ReportToProto(a.report(j, task.Failed))}})
		w.settle()
		live(0, wrong)
		live(0, wrong)
		if a.resyncs() != 1 {
			t.Error("asked again although both agree")
		}
	})
}

func TestAHostThatSendsMoreThanItsCreditIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		other := w.here("h2")
		w.owner("s1", 1)
		var many []wire.Report
		for range 4 {
			many = append(many, a.report(w.job("standard", 0, "h1"), task.Running))
		}
		a.say(many[:3]...)
		if a.failure() != nil {
			t.Fatalf("ended within its credit: %v", a.failure())
		}
		a.say(many...)
		if status.Code(a.failure()) != codes.ResourceExhausted || other.failure() != nil {
			t.Errorf("ended with %v, the other with %v", a.failure(), other.failure())
		}
	}, func(c *Config) { c.ReportWindow = 3 })
}

func TestAStoppedAggregatorSaysWhenToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, s := w.here("h1"), w.owner("s1", 1)
		w.stop()
		w.settle()
		for _, err := range []error{a.failure(), s.failure()} {
			if status.Code(err) != codes.Unavailable || wire.RetryDelay(err) <= 0 {
				t.Errorf("ended with %v, retry after %s", err, wire.RetryDelay(err))
			}
		}
		if wait := wire.RetryDelay(a.failure()); wait > 100*time.Millisecond {
			t.Errorf("the only host is told to come back after %s", wait)
		}
		members, err := coord.GetMembers(t.Context(), w.coord, coord.Aggregator)
		if err != nil || len(members.Members) != 0 {
			t.Errorf("still announced: %v %v", members.Members, err)
		}
	})
}

func TestAnAggregatorIsAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		members, err := coord.GetMembers(t.Context(), w.coord, coord.Aggregator)
		if err != nil || len(members.Members) != 1 || members.Members[0].Addr != "agg-1:7420" || members.Members[0].Room != "bj01" {
			t.Errorf("announced as %v, %v", members.Members, err)
		}
	})
}

// publish puts a bundle of a version where aggregators find it.
func (w *world) publish(version uint64) {
	w.t.Helper()
	b, err := policy.New(version, time.Now().Add(time.Hour), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	envelope, err := policy.SignBundle(b, w.user)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := envelope.JSON()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := coord.PutBundle(w.t.Context(), w.coord, text); err != nil {
		w.t.Fatal(err)
	}
}
