package agent_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Whatever an aggregator says, the agent outlives it and serves the next one.
func TestNoReplyBringsAnAgentDown(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inWorld(t, 1, func(w *world) { hearNonsense(w, rand.New(rand.NewPCG(seed, 2))) })
		})
	}
}

func hearNonsense(w *world, random *rand.Rand) {
	a := w.aggs[0]
	a.set(func(a *aggregator) {
		if random.IntN(2) == 0 {
			a.credits = wire.Credits{wire.EveryClass: 3}
		}
	})
	w.boot()
	noise := rand.New(rand.NewPCG(random.Uint64(), 0)) // the aggregator's own
	a.set(func(a *aggregator) { a.spoil = func(r *sessionv1.Reply) { spoil(r, noise) } })
	var jobs []*ask
	for range 40 {
		job := []*ask{w.ping(), w.run("true"), w.run("sleep", "5").rerun(), largeScript(w)}[random.IntN(4)]
		jobs = append(jobs, job)
		old := jobs[random.IntN(len(jobs))]
		a.deliver(w.command(job), w.attempt(old, 2))
		a.wishForget(old.id())
		a.set(func(a *aggregator) { a.give = wire.Credits{"standard": random.Uint32(), "bulk": 1} })
		if random.IntN(8) == 0 {
			w.host.Reboot()
		}
		w.pass(time.Duration(random.Int64N(int64(5 * time.Second))))
	}
	a.set(func(a *aggregator) { a.spoil, a.credits = nil, nil })
	w.pass(time.Minute) // for who is told to come later
	a.hangUp(nil)
	w.pass(time.Minute)
	a.set(func(a *aggregator) { a.bundle = wire.EnvelopeToProto(w.bundle(1, time.Now().Add(24*time.Hour))) })
	w.pass(15 * time.Second)
	job := w.submit(w.run("true"))
	synctest.Wait()
	w.outcome(job, task.Succeeded, task.NoReason)
}

// spoil changes a reply on its way: a part is left out, or bits are flipped.
func spoil(r *sessionv1.Reply, random *rand.Rand) {
	for _, c := range r.GetCommands() {
		switch random.IntN(12) {
		case 0:
			c.Proof = nil
		case 1:
			c.Capsule = nil
		case 2:
			c.CapsuleDigest = c.GetCapsuleDigest()[1:]
		case 3:
			c.Attempt = random.Uint32N(4)
		case 4:
			c.JobId = nil
		case 5:
			c.GetProof().Index, c.GetProof().TreeSize = random.Uint64(), random.Uint64()
		case 6:
			c.GetProof().Hashes = nil
		case 7:
			c.Pool = string(make([]byte, 50_000))
		}
	}
	number := r.GetNumber()
	text, err := proto.Marshal(r)
	if err != nil || len(text) == 0 || random.IntN(2) == 0 {
		return
	}
	for range 1 + random.IntN(3) {
		text[random.IntN(len(text))] ^= 1 << random.IntN(8)
	}
	var changed sessionv1.Reply
	if proto.Unmarshal(text, &changed) != nil {
		return
	}
	proto.Reset(r)
	proto.Merge(r, &changed)
	if random.IntN(4) > 0 {
		r.Number = number
	}
}
