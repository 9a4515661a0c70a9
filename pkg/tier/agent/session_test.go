package agent_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAHelloSaysWhoTheHostIs(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		select {
		case <-w.agent.Ready():
		default:
			w.Error("in session, it is not ready")
		}
		hello := w.aggs[0].sessions()[0]
		if hello.Host != hostName || hello.Incarnation != w.host.Incarnation() || hello.Session == 0 ||
			hello.Versions != wire.SessionVersions || hello.Facts["os"] != "linux" || hello.Credits.Initial("any") == 0 {
			w.Errorf("the hello is %+v", hello)
		}
		if hb := w.aggs[0].lastBeat(); hb.GetNumber() != 1 || !hb.GetResyncComplete() {
			w.Errorf("the first heartbeat is %v", hb)
		}
	})
}

func TestAHelloSaysWhatTheExecutorTellsOfTheHost(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cgroup = "v1"
		w.boot()
		if facts := w.aggs[0].sessions()[0].Facts; facts["cgroup"] != "v1" || facts["cgroup_limits"] != "memory,pids" || facts["os"] != "linux" {
			w.Errorf("the facts are %v", facts)
		}
		w.crash()

		w.cgroup = "v2"
		w.host.GoAway()
		w.boot()
		if facts := w.aggs[0].sessions()[1].Facts; facts["cgroup"] != "" || facts["os"] != "linux" {
			w.Errorf("while the executor is away the facts are %v", facts)
		}
		w.host.ComeBack()
		w.pass(time.Minute)
		if all := w.aggs[0].sessions(); len(all) != 3 || all[2].Facts["cgroup"] != "v2" {
			w.Errorf("when it is back there are %d sessions, the last with %v", len(all), all[len(all)-1].Facts)
		}
	})
}

func TestAnExecutorThatComesBackAsItWasEndsNoSession(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cgroup = "v1"
		w.boot()
		w.host.GoAway()
		w.pass(5 * time.Second)
		w.host.ComeBack()
		w.pass(time.Minute)
		if n := len(w.aggs[0].sessions()); n != 1 {
			w.Errorf("there were %d sessions", n)
		}
	})
}

func TestSessionNumbersGrowOverRestartsAndALostStateDirectory(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		for i := range 130 { // more than a block
			w.boot()
			w.crash()
			if i%40 == 20 {
				w.state = &agent.MemoryState{}
			}
		}
		last := uint64(0)
		for _, hello := range w.aggs[0].sessions() {
			if hello.Session <= last {
				w.Fatalf("session %d came after %d", hello.Session, last)
			}
			last = hello.Session
		}
		if n := len(w.aggs[0].sessions()); n != 130 {
			w.Errorf("there were %d sessions", n)
		}
	})
}

func TestARefusedSessionNumberBringsNewOnes(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		first := w.aggs[0].sessions()[0].Session
		w.aggs[0].set(func(a *aggregator) { a.refuse = wire.ErrSession })
		w.aggs[0].hangUp(nil)
		w.pass(5 * time.Second)
		w.aggs[0].set(func(a *aggregator) { a.refuse = nil })
		w.pass(time.Minute)
		sessions := w.aggs[0].sessions()
		if last := sessions[len(sessions)-1].Session; last < first+100 {
			w.Errorf("after %d was refused it came with %d, of the same block", first+1, last)
		}
	})
}

func TestAHostMovesOnToTheNextAggregator(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		for _, a := range w.aggs {
			w.down.Store(a.name+":7421", true)
		}
		w.boot()
		w.down.Delete("agg2:7421")
		w.pass(2 * time.Minute)
		if n := len(w.aggs[1].sessions()); n != 1 {
			w.Fatalf("there are %d sessions at the only aggregator that is up", n)
		}
		w.down.Delete("agg1:7421")
		w.down.Delete("agg3:7421")
		w.aggs[1].hangUp(errors.New("it stops"))
		w.pass(5 * time.Second)
		if len(w.aggs[0].sessions())+len(w.aggs[2].sessions()) != 1 {
			w.Error("it did not move on")
		}
	})
}

func TestAHostComesBackWhenItIsTold(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) {
			a.refuse = &wire.RetryAfter{After: 3 * time.Minute, Err: wire.ErrUnavailable}
		})
		w.boot()
		w.pass(3*time.Minute - time.Second)
		if n := len(w.aggs[0].sessions()); n != 1 {
			w.Errorf("told to wait 3 minutes, it came %d times", n)
		}
		w.aggs[0].set(func(a *aggregator) { a.refuse = nil })
		w.pass(time.Minute)
		if n := len(w.aggs[0].sessions()); n != 2 {
			w.Errorf("it came %d times", n)
		}
	})
}

func TestAHostBacksOffFromAnAggregatorThatRefuses(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.refuse = wire.ErrUnavailable })
		w.boot()
		w.pass(10 * time.Minute)
		greeted := w.aggs[0].seen().greeted
		if n := len(greeted); n < 20 || n > 60 {
			w.Errorf("in 10 minutes it came %d times", n)
		}
		if last := greeted[len(greeted)-1].Sub(greeted[len(greeted)-2]); last < 15*time.Second || last > 30*time.Second {
			w.Errorf("the last pause was %s", last)
		}
	})
}

func TestASilentAggregatorIsLeft(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.aggs[0].set(func(a *aggregator) { a.silent = true })
		w.pass(2 * time.Minute)
		if n := len(w.aggs[0].sessions()); n < 2 {
			w.Errorf("in two silent minutes there were %d sessions", n)
		}
	})
}

func TestHeartbeatsKeepTheirPaceAndSayWhatLives(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job1, job2 := w.submit(w.run("sleep", "3600")), w.submit(w.run("sleep", "3600"))
		w.aggs[0].forgetHeard()
		w.pass(10 * time.Minute)
		beats := w.aggs[0].seen().beats
		if n := len(beats); n < 54 || n > 67 {
			w.Errorf("in 10 minutes there were %d heartbeats", n)
		}
		for i := 1; i < len(beats); i++ {
			if gap := beats[i].at.Sub(beats[i-1].at); gap < 9*time.Second || gap > 11*time.Second {
				w.Errorf("between two heartbeats were %s", gap)
			}
			if beats[i].GetNumber() != beats[i-1].GetNumber()+1 {
				w.Errorf("heartbeat %d came after %d", beats[i].GetNumber(), beats[i-1].GetNumber())
			}
		}
		digest := wire.LiveDigest([]job.ID{job1.id(), job2.id()})
		if hb := w.aggs[0].lastBeat(); hb.GetLiveCommands() != 2 || !slices.Equal(hb.GetLiveDigest(), digest[:]) {
			w.Errorf("the last says %d %x", hb.GetLiveCommands(), hb.GetLiveDigest())
		}
	})
}

func TestWithPushSwitchedOffEverythingWorksAtThePaceOfHeartbeats(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.noPush = true })
		w.boot()
		w.pass(5 * time.Second)
		began := time.Now()
		done, long := w.run("true"), w.run("sleep", "3600")
		w.aggs[0].deliver(w.command(done), w.command(long))
		w.pass(12 * time.Second)
		w.outcome(done, task.Succeeded, task.NoReason)
		w.aggs[0].wishStop(long.id())
		w.pass(12 * time.Second)
		w.outcome(long, task.Canceled, task.Killed)
		w.forget(done)
		if !w.host.Tombstone(done.cmd()) || time.Since(began) > 40*time.Second {
			w.Errorf("after %s it is not released", time.Since(began))
		}
	})
}

func TestWhatAnAggregatorHasIsNotSentToItAgain(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("true"))
		w.pass(15 * time.Second)
		w.aggs[0].forgetHeard()
		w.aggs[0].hangUp(nil)
		w.pass(15 * time.Second)
		if again := w.aggs[0].heard(job.id()); len(again) != 0 {
			w.Error("in a new session with the same spool it is sent again")
		}
		if hello := w.aggs[0].sessions()[1]; hello.Spool != "spool of agg1" {
			w.Errorf("the hello names spool %q", hello.Spool)
		}
		w.aggs[0].set(func(a *aggregator) { a.spool = "another" })
		w.aggs[0].hangUp(nil)
		w.pass(15 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason) // the spool is lost, and Have with it
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.resync = true })
		w.pass(15 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.forget(job)
		w.aggs[0].forgetHeard()
		w.aggs[0].set(func(a *aggregator) { a.spool = "a third" })
		w.aggs[0].hangUp(nil)
		w.pass(15 * time.Second)
		if again := w.aggs[0].heard(job.id()); len(again) != 0 {
			w.Error("what is forgotten is sent to a new spool")
		}
	})
}

func TestReportsKeepWithinTheWindowAndTheMessage(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.credits = wire.Credits{wire.EveryClass: 7} })
		w.boot()
		w.down.Store("agg1:7421", true)
		w.aggs[0].hangUp(nil)
		w.pass(time.Second)
		w.crash()
		w.aggs[0].forgetHeard()
		jobs := map[job.ID]*ask{}
		for range 40 { // outcomes of 4 KiB each, from before
			a := w.run("head", "-c", "4000", "/dev/zero")
			jobs[a.id()] = a
			w.startBehindTheAgent(a)
		}
		w.down.Clear()
		w.boot()
		w.pass(5 * time.Second)
		if n := w.aggs[0].seen().jobs; n != 7 {
			w.Errorf("with a window of 7, %d were reported", n)
		}
		w.aggs[0].set(func(a *aggregator) { a.give = wire.Credits{"standard": 5} })
		w.pass(15 * time.Second)
		if n := w.aggs[0].seen().jobs; n != 12 {
			w.Errorf("with a window of 12, %d were reported", n)
		}
		for _, b := range w.aggs[0].seen().beats {
			if b.GetResyncComplete() {
				w.Error("it has said everything?")
			}
		}
		w.aggs[0].set(func(a *aggregator) { a.give = wire.Credits{"standard": 100} })
		w.pass(15 * time.Second)
		if n := w.aggs[0].seen().jobs; n != 40 {
			w.Errorf("%d were reported", n)
		}
		complete := false
		for _, b := range w.aggs[0].seen().beats {
			complete = complete || b.GetResyncComplete()
			if b.size > 64<<10 {
				w.Errorf("a heartbeat has %d bytes", b.size)
			}
		}
		if !complete {
			w.Error("it never says that it has said everything")
		}
	})
}

func TestCreditWithoutAWindowIsNoLimit(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.give = wire.Credits{"standard": 1} })
		w.boot()
		for range 3 {
			w.outcome(w.submit(w.ping()), task.Succeeded, task.NoReason)
		}
		if n := len(w.aggs[0].sessions()); n != 1 {
			w.Errorf("there were %d sessions", n)
		}
	})
}

// A clock above that was wrong once must not let tombstones go too early for
// ever.
func TestTheExecutorIsToldTheLastTimeFromAbove(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		for _, ahead := range []time.Duration{48 * time.Hour, -time.Hour, time.Hour} {
			w.aggs[0].set(func(a *aggregator) { a.ahead = ahead })
			if w.agent == nil {
				w.boot()
			}
			w.pass(time.Hour)
			if told := w.told.Load(); told == nil || told.Sub(time.Now().Add(ahead)).Abs() > 15*time.Minute {
				w.Errorf("with a clock that is %s ahead it is told %v", ahead, told)
			}
		}
	})
}

func TestWhatDoesNotFitIntoAHeartbeatUsesNoCredit(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.credits = wire.Credits{wire.EveryClass: 40} })
		w.boot()
		w.crash()
		for range 40 {
			w.startBehindTheAgent(w.run("head", "-c", "4000", "/dev/zero"))
		}
		w.boot()
		w.pass(5 * time.Second)
		if n := w.aggs[0].seen().jobs; n != 40 {
			w.Errorf("with a window of 40, %d of 40 were reported", n)
		}
	})
}

func TestCreditForCommandsComesBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		for range 100 {
			w.submit(w.ping())
		}
		w.pass(15 * time.Second)
		if got := w.aggs[0].seen().granted["standard"]; got != 100 {
			w.Errorf("of 100 commands %d were given back", got)
		}
	})
}

func TestAReplyOutOfOrderEndsTheSession(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.aggs[0].set(func(a *aggregator) { a.talk.replies += 5 })
		w.pass(time.Minute)
		if n := len(w.aggs[0].sessions()); n != 2 {
			w.Errorf("there were %d sessions", n)
		}
	})
}

func TestAReplyThatComesTwiceIsTakenOnce(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("true"))
		w.outcome(job, task.Succeeded, task.NoReason)
		for range 10 {
			w.aggs[0].set(func(a *aggregator) { a.talk.replies-- })
			w.aggs[0].deliver(w.command(w.run("false"))) // under the number of the reply before
			w.pass(10 * time.Second)
		}
		w.startedOnce(job)
		if n := len(w.aggs[0].sessions()); n != 1 {
			w.Errorf("there were %d sessions", n)
		}
		if n := w.host.Calls("Start"); n != 1 {
			w.Errorf("%d commands were taken", n)
		}
	})
}

func TestWhatIsNotForgottenIsSaidAgainNowAndThen(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submit(w.run("true"))
		w.outcome(job, task.Succeeded, task.NoReason)
		w.pass(9 * time.Minute)
		w.aggs[0].forgetHeard()
		for range 3 {
			w.pass(10 * time.Minute)
			if again := w.aggs[0].heard(job.id()); len(again) != 1 {
				w.Errorf("in ten minutes it is said %d times", len(again))
			}
			w.aggs[0].forgetHeard()
		}
		w.forget(job)
		w.aggs[0].forgetHeard()
		w.pass(time.Hour)
		if again := w.aggs[0].heard(job.id()); len(again) != 0 || len(w.aggs[0].sessions()) != 1 {
			w.Errorf("what is forgotten is said %d times, in %d sessions", len(again), len(w.aggs[0].sessions()))
		}
	})
}

func TestAnAggregatorThatNeverWelcomesIsLeft(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		release := make(chan struct{})
		w.aggs[0].set(func(a *aggregator) { a.stall = release })
		w.aggs[1].set(func(a *aggregator) { a.refuse = wire.ErrUnavailable })
		w.boot()
		w.pass(time.Minute)
		w.aggs[1].set(func(a *aggregator) { a.refuse = nil })
		w.pass(2 * time.Minute)
		close(release)
		if w.aggs[1].lastBeat() == nil {
			w.Error("it still waits")
		}
		synctest.Wait()
	})
}

func TestAReplyThatIsTooLargeEndsTheSession(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		spoiled := false
		w.aggs[0].set(func(a *aggregator) {
			a.spoil = func(r *sessionv1.Reply) {
				if !spoiled {
					spoiled, r.Forget = true, [][]byte{make([]byte, agent.MaxMessage)}
				}
			}
		})
		w.pass(time.Minute)
		if n := len(w.aggs[0].sessions()); n != 2 {
			w.Errorf("there were %d sessions", n)
		}
		job := w.submit(w.run("true"))
		w.pass(10 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
	})
}

func TestAnIntervalIsKeptWithinBounds(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{
		100 * time.Hour: agent.MostInterval, time.Nanosecond: agent.LeastInterval, 20 * time.Second: 20 * time.Second,
	} {
		inWorld(t, 1, func(w *world) {
			w.aggs[0].set(func(a *aggregator) { a.interval = set })
			w.boot()
			before := len(w.aggs[0].seen().beats)
			w.pass(20 * want)
			if n := len(w.aggs[0].seen().beats) - before; n < 15 || n > 30 {
				w.Errorf("told to be heard of every %s it sent %d heartbeats in %s", set, n, 20*want)
			}
		})
	}
}
