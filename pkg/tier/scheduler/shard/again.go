package shard

import (
	"context"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Bounds of what is asked for again.
const (
	maxAgain      = 4096             // hosts, each counted once for every job
	firstAgain    = 10 * time.Second // until a job is asked for
	lastAgain     = 10 * time.Minute // at most between two tries
	againPerRound = 64               // jobs, that may have to be read
)

// errLostTrack makes every room say everything again, to the next epoch.
var errLostTrack = errors.New("the word of too many hosts could not be taken")

// again is the hosts whose word on a job could not be taken, although their
// aggregator was told that it had come. Of a task that runs the job asks by
// itself; of one that it holds to be final nobody else would. They are asked
// until they are heard.
type again struct {
	jobs  map[job.ID]*askAgain
	hosts int
	next  time.Time // when to look, if there are any
}

type askAgain struct {
	hosts map[fleet.HostID]struct{}
	at    time.Time
	pause time.Duration
}

// Again notes that a host is to be asked again what it says of a job. Errors:
// ErrNotOwner, for the next owner hears it, and the cause of ctx.
func (s *Shard) Again(ctx context.Context, id job.ID, host fleet.HostID) error {
	_, err := s.post(ctx, &unheard{id, host})
	return err
}

type unheard struct {
	id   job.ID
	host fleet.HostID
}

func (u *unheard) weight() (reports, bytes int) { return 1, 0 }

func (u *unheard) apply(_ context.Context, t *tenure) { t.hearAgain(u.id, u.host) }

// hearAgain notes a host. If there are too many the shard begins anew.
func (t *tenure) hearAgain(id job.ID, host fleet.HostID) {
	j := t.again.jobs[id]
	if j == nil {
		j = &askAgain{hosts: map[fleet.HostID]struct{}{}, at: t.clock.Add(firstAgain), pause: firstAgain}
		t.again.jobs[id] = j
	}
	if _, known := j.hosts[host]; known {
		return
	}
	if t.again.hosts == 0 {
		t.again.next = t.clock.Add(firstAgain)
	}
	j.hosts[host] = struct{}{}
	if t.again.hosts++; t.again.hosts > maxAgain && t.fault == nil {
		t.fault = errLostTrack
	}
}

// heard notes that a host need not be asked any more.
func (a *again) heard(id job.ID, host fleet.HostID) {
	j := a.jobs[id]
	if j == nil {
		return
	}
	if _, known := j.hosts[host]; !known {
		return
	}
	delete(j.hosts, host)
	a.hosts--
	if len(j.hosts) == 0 {
		delete(a.jobs, id)
	}
}

// drop gives up a job of which nothing can be heard.
func (a *again) drop(id job.ID) {
	if j := a.jobs[id]; j != nil {
		a.hosts -= len(j.hosts)
		delete(a.jobs, id)
	}
}

// askAgain asks the hosts that are due and attached.
func (t *tenure) askAgain(ctx context.Context) {
	if t.again.hosts == 0 || t.clock.Before(t.again.next) || len(t.trial.suspects) > 0 {
		return
	}
	t.again.next = t.clock.Add(firstAgain)
	asked := 0
	for id, j := range t.again.jobs {
		if t.fault != nil {
			return
		}
		if asked == againPerRound {
			t.again.next = t.clock.Add(time.Second) // the others soon
			return
		}
		if t.clock.Before(j.at) || !t.anyHere(j.hosts) {
			continue
		}
		asked++
		j.pause = min(2*j.pause, lastAgain)
		j.at = t.clock.Add(j.pause)
		t.askHosts(ctx, id, j)
	}
}

func (t *tenure) anyHere(hosts map[fleet.HostID]struct{}) bool {
	for host := range hosts {
		if _, here := t.deps.Hosts.Via(host); here {
			return true
		}
	}
	return false
}

// askHosts asks of one job, if it can be read now.
func (t *tenure) askHosts(ctx context.Context, id job.ID, j *askAgain) {
	h, err := t.find(ctx, id, true)
	switch {
	case t.fault != nil:
		return
	case err != nil && t.lasting(err):
		switch {
		case errors.Is(err, store.ErrPurged):
			t.purged.add(id) // its hosts are answered when they say it again: what they say now is not known
		case errors.Is(err, store.ErrNotFound):
			t.unknown.add(id)
		}
		t.again.drop(id)
		return
	case err != nil:
		t.deps.Log.WarnContext(ctx, "job of a report cannot be read; it is asked for again later", "job", id, "error", err)
		return
	}
	var ask job.Send
	t.guard(h.id, func() {
		for host := range j.hosts {
			if o, ok := h.machine.Targets().Find(host); ok {
				ask.Query = append(ask.Query, o)
			} else {
				t.again.heard(id, host) // it has nothing to say
			}
		}
	})
	if len(ask.Query) > 0 {
		t.answer(h, func() { t.send(ctx, h, ask) })
	}
}

// lasting reports whether a job that could not be found will not be found later
// either.
func (*tenure) lasting(err error) bool {
	var elsewhere *ElsewhereError
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, ErrNoJob) || errors.Is(err, job.ErrQuarantined) ||
		errors.Is(err, store.ErrDamaged) || errors.As(err, &elsewhere)
}
