package charge

import (
	"context"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// hold is one session: it announces this scheduler, and then keeps what it
// holds as it should be. When the session is lost what runs goes on; when the
// process ends it is ended before the keys are given back, all at once.
func (k *Keeper) hold(ctx context.Context, s coord.Session) error {
	for _, c := range k.charges {
		c.held = false
	}
	if err := coord.PutMember(ctx, s, k.me); err != nil {
		return err
	}
	k.listed.Store(true)
	defer k.listed.Store(false)
	if k.told {
		k.calm = time.Now().Add(calmFor)
	} else {
		k.told = true
		close(k.known)
	}
	for {
		err := k.tend(ctx, s)
		if err == nil {
			err = k.rest(ctx)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil && (!errors.Is(context.Cause(ctx), coord.ErrLost) || planted.Bug("owners stop without etcd")) {
			k.endAll()
		}
		return err
	}
}

// rest waits until there is something to look at.
func (k *Keeper) rest(ctx context.Context) error {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-k.wake:
	case <-timer.C:
	}
	return nil
}

// plan is who should have a key, and who has it, as far as is known.
type plan struct{ home, owner string }

// Why there are no plans.
var (
	errUnseen = errors.New("etcd has not told yet which schedulers there are and what they own")
	errAtOdds = errors.New("the schedulers of the pool count its shards differently: give all of them the same number of shards")
	errAbsent = errors.New("etcd does not count this scheduler among those that are alive")
)

// plans is the plan of every charge. There is none as long as not enough is
// known, this scheduler is not seen to be alive yet, or the schedulers of the
// pool do not agree on how many shards it has: then jobs would be looked for
// where they are not.
func (k *Keeper) plans() ([]plan, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.planAll()
}

// planAll is plans. The caller holds mu.
func (k *Keeper) planAll() ([]plan, error) {
	switch {
	case !k.seen.members || !k.seen.shards || !k.seen.hosts:
		return nil, errUnseen
	case k.atOdds:
		return nil, errAtOdds
	}
	var pool, all []string
	alive := false
	for _, m := range k.members {
		all = append(all, m.Name)
		if m.Pool == k.me.Pool {
			pool = append(pool, m.Name)
		}
		alive = alive || m.Name == k.me.Name
	}
	if !alive {
		return nil, errAbsent
	}
	plans := make([]plan, len(k.charges))
	for i, c := range k.charges {
		among := pool
		if c.Any {
			among = all
		}
		plans[i] = plan{home: coord.Home(c.Key, among), owner: k.owner[c.Key]}
	}
	return plans, nil
}

// Due is how many shards of its pool this scheduler should run. The error says
// why that is not known; nothing is taken or given up then. It does not block,
// and costs nothing: anybody may ask for it as often as he likes.
func (k *Keeper) Due() (shards int, err error) {
	now := k.due.Load()
	return now.shards, now.err
}

// count is what Due says from now on. The caller holds mu.
func (k *Keeper) count() *due {
	plans, err := k.planAll()
	out := due{err: err}
	for i, p := range plans {
		if !k.charges[i].Any && p.home == k.me.Name {
			out.shards++
		}
	}
	return &out
}

// tend does the next thing for every charge.
func (k *Keeper) tend(ctx context.Context, s coord.Session) error {
	plans, _ := k.plans() // without any there is nothing to do
	for i, p := range plans {
		if err := k.tendOne(ctx, s, k.charges[i], p); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) tendOne(ctx context.Context, s coord.Session, c *charge, p plan) error {
	mine, free := p.home == k.me.Name, p.owner == "" || p.owner == k.me.Name
	running := c.running()
	if mine && (!c.held || c.unsure) && free && (running || !time.Now().Before(k.calm)) {
		held, err := s.Acquire(ctx, c.Key, k.me.Name)
		if err != nil {
			return err
		}
		c.held, c.unsure = held, false
		if held && running && c.Prove != nil { // while it was not held another may have had it
			c.Prove()
		}
	}
	switch {
	case mine && c.held && !c.unsure && !running && !time.Now().Before(c.restart):
		k.start(ctx, c)
	case !mine && !running && (c.held || p.owner == k.me.Name):
		// Held or not: it may be under this session from before a call that failed, or
		// from one whose answer was lost. It does nothing to a key of another session.
		if err := s.Release(ctx, c.Key); err != nil {
			return err
		}
		c.held = false
	case running && (!mine || !c.held && !free):
		c.stop()
	}
	return nil
}

// running reports whether it runs, and notes if it has ended.
func (c *charge) running() bool {
	if c.done == nil {
		return false
	}
	select {
	case <-c.done:
		if !c.stopped {
			c.restart, c.unsure = time.Now().Add(restartPause), true
		}
		c.cancel()
		c.done, c.cancel, c.stopped = nil, nil, false
		return false
	default:
		return true
	}
}

// start runs it until it is told to end: not as long as the session lasts.
func (k *Keeper) start(ctx context.Context, c *charge) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	c.cancel, c.done = cancel, done
	go func() {
		defer k.look()
		defer close(done)
		if err := c.Run(running); err != nil && running.Err() == nil {
			k.log.WarnContext(running, "shard ended by itself", "shard", c.Label, "error", err)
		}
	}()
}

func (c *charge) stop() {
	if !c.stopped {
		c.stopped = true
		c.cancel()
	}
}

// endAll ends all that runs and waits for it.
func (k *Keeper) endAll() {
	for _, c := range k.charges {
		if c.running() {
			c.stop()
		}
	}
	for _, c := range k.charges {
		if c.done != nil {
			<-c.done
			c.running()
		}
	}
}
