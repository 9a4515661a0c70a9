package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Every way in which a command is not what a user signed for this host, now.
func TestAHostStartsOnlyWhatItHasItselfVerified(t *testing.T) {
	for _, c := range []struct {
		name   string
		forge  func(w *world, a *ask)                       // before it is signed
		spoil  func(w *world, a *ask, c *sessionv1.Command) // on the way
		state  task.State
		reason task.Reason
	}{
		{name: "a signature that does not verify", state: task.Refused, reason: task.BadSignature, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			c.Capsule.Signatures[0].Sig[7] ^= 1
		}},
		{name: "a key that no bundle lists", state: task.Refused, reason: task.BadSignature, forge: func(w *world, a *ask) {
			a.key = w.newKey()
		}},
		{name: "bytes that were changed", state: task.Refused, reason: task.BadSignature, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			payload := c.GetCapsule().GetPayload()
			payload[len(payload)-1] ^= 1
			digest := wire.EnvelopeFromProto(c.GetCapsule()).Digest()
			c.CapsuleDigest = digest[:]
		}},
		{name: "a capsule that is not the one that is named", state: task.Refused, reason: task.Malformed, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			c.CapsuleDigest[0] ^= 1
		}},
		{name: "a bundle past its expiry", state: task.Refused, reason: task.BundleStale, forge: func(w *world, a *ask) {
			w.aggs[0].set(func(g *aggregator) { g.bundle = wire.EnvelopeToProto(w.bundle(2, time.Now().Add(time.Second))) })
			w.pass(20 * time.Second)
			a.payload.NotBefore, a.payload.NotAfter = time.Now(), time.Now().Add(time.Hour)
		}},
		{name: "a list without this host", state: task.Refused, reason: task.NotTarget, forge: func(w *world, a *ask) {
			a.leaves[1] = capsule.LeafHash("other.bj01", w.host.Incarnation())
			a.payload.Root = capsule.Root(a.leaves)
		}},
		{name: "a list with another incarnation of it", state: task.Refused, reason: task.NotTarget, forge: func(w *world, a *ask) {
			a.leaves[1] = capsule.LeafHash(hostName, fleet.Incarnation{9})
			a.payload.Root = capsule.Root(a.leaves)
		}},
		{name: "the proof of another host", state: task.Refused, reason: task.NotTarget, forge: func(w *world, a *ask) {
			a.index = 2
		}},
		{name: "a proof for a list of another length", state: task.Refused, reason: task.NotTarget, forge: func(w *world, a *ask) {
			a.payload.Count = 4
		}},
		{name: "the capsule of another job", state: task.Refused, reason: task.Malformed, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			other := w.run("true")
			c.JobId = other.payload.JobID[:]
			a.payload.JobID = other.payload.JobID // that is who the answer is about
		}},
		{name: "a proof that cannot be read", state: task.Refused, reason: task.Malformed, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			c.Proof.Hashes[0] = []byte("short")
		}},
		{name: "an attempt that is not signed", state: task.Refused, reason: task.Malformed, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			c.Attempt = 2
		}},
		{name: "an attempt whose predecessor nobody knows", state: task.Refused, reason: task.Malformed, forge: func(w *world, a *ask) {
			a.rerun()
		}, spoil: func(w *world, a *ask, c *sessionv1.Command) {
			c.Attempt = 2
		}},
		{name: "a time that has not come", state: task.Refused, reason: task.BadTime, forge: func(w *world, a *ask) {
			a.payload.NotBefore = time.Now().Add(capsule.ClockSkew + time.Minute)
		}},
		{name: "a time that has passed", state: task.Expired, reason: task.StartByPassed, forge: func(w *world, a *ask) {
			a.payload.NotBefore, a.payload.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.boot()
				w.pass(15 * time.Second)
				job := w.run("echo", "I ran")
				if c.forge != nil {
					c.forge(w, job)
				}
				command := w.command(job)
				if c.spoil != nil {
					c.spoil(w, job, command)
				}
				w.aggs[0].deliver(command)
				synctest.Wait()
				w.outcome(job, c.state, c.reason)
				if r, want := w.said(job), uint32(command.GetProof().GetIndex()); r.Ordinal != want {
					w.Errorf("it is said of ordinal %d, not %d", r.Ordinal, want)
				}
				if w.said(job).Detail.Message == "" && c.state == task.Refused {
					w.Error("nobody is told why")
				}
				// It is on the executor's disk: nothing that comes later can start it.
				if known, ok := w.host.Report(job.cmd()); !ok || known.State != c.state {
					w.Errorf("the executor has %v, %+v", ok, known)
				}
				w.forget(job)
				if c.state == task.Refused && !w.host.Tombstone(job.cmd()) { // EXPIRED is past its E, and so past W
					w.Error("there is no tombstone")
				}
				w.submit(job)
				for n := range uint32(3) {
					if w.host.Starts(job.cmd(), n) != 0 {
						w.Errorf("attempt %d was started", n)
					}
				}
			})
		})
	}
}

func TestAPingIsVerifiedLikeAnyOther(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.ping()
		job.key = w.newKey()
		w.submit(job)
		w.outcome(job, task.Refused, task.BadSignature)
	})
}

func TestACommandWithoutAJobHoldsNothingUp(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("true")
		broken := w.command(w.run("true"))
		broken.JobId = []byte("no job")
		w.aggs[0].deliver(broken, w.command(job))
		synctest.Wait()
		w.outcome(job, task.Succeeded, task.NoReason)
		w.pass(15 * time.Second)
		if hb := w.aggs[0].lastBeat(); hb.GetHaveReply() == 0 {
			w.Error("it is never acknowledged")
		}
		if len(w.aggs[0].sessions()) != 1 {
			w.Error("it ended the session")
		}
	})
}

func TestAHostWithoutABundleRefuses(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.aggs[0].set(func(a *aggregator) { a.bundle = nil })
		w.boot()
		w.pass(15 * time.Second)
		w.outcome(w.submit(w.run("true")), task.Refused, task.BundleStale)
	})
}

func TestAnOlderBundleIsNeverTaken(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		offer := func(version uint64) {
			envelope := wire.EnvelopeToProto(w.bundle(version, time.Now().Add(24*time.Hour)))
			w.aggs[0].set(func(a *aggregator) { a.bundle = envelope })
			w.pass(15 * time.Second)
		}
		holds := func(version uint64) {
			w.Helper()
			w.pass(15 * time.Second)
			if got := w.aggs[0].lastBeat().GetBundle(); got.GetVersion() != version || got.GetStale() {
				w.Errorf("the host holds bundle %v, want version %d", got, version)
			}
		}
		w.boot()
		holds(1)
		offer(5)
		holds(5)
		offer(4)
		holds(5)
		w.crash()
		w.boot()
		holds(5)
		offer(4)
		holds(5)
		w.operator = w.newKey() // a stranger's
		offer(6)
		holds(5)
		if hello := w.aggs[0].sessions()[1]; hello.Bundle != 5 {
			w.Errorf("the hello says bundle %d", hello.Bundle)
		}
	})
}

func TestABundlePastItsExpiryIsToldAbove(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.pass(25 * time.Hour)
		if got := w.aggs[0].lastBeat().GetBundle(); !got.GetStale() {
			w.Errorf("the host says %v", got)
		}
	})
}
