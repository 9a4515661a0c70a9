package executor

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// sight is one attempt as seen on disk and in the process table.
type sight struct {
	found   adopt.Found
	live    adopt.Liveness
	claim   spool.Attempt // if found.Claim is Begun or Decided
	run     spool.Started // if found.Run is Whole
	outcome spool.Outcome // if there is one
	sums    [2][32]byte   // of the outputs, with an outcome
	overdue bool

	// endProcess is that of the claim, or the one that lives of a damaged claim.
	endProcess proc.Identity

	held       *spool.Holder // of its outputs, if they are to be held and were not
	heldInTime bool          // since before its end-process or its leader began to end
	holdFault  error         // why they are not held

	spec     spool.Spec
	specRead bool  // it was read and is whole
	err      error // disk or processes could not be looked at; nothing else is meaningful
}

// look looks at a command beside the loop and acts on what is seen. Looks of
// one command do not overlap; one that is asked for meanwhile follows.
func (e *Executor) look(c *command) {
	if c.buried || c.report.State.Final() {
		e.looked(c)
		return
	}
	if c.looking {
		c.again = true
		return
	}
	c.looking = true
	attempt, ours, startBy, unread, held := c.attempt, c.supervised && c.wake == nil, c.startBy, c.unread, c.held != nil
	e.work.Go(func() {
		var s sight
		_ = e.onDisk(func() error {
			s = e.see(c.id, attempt, ours, startBy)
			if unread && s.err == nil && !s.specRead {
				s.err = e.readSpec(c.id, &s)
			}
			if !held && s.err == nil {
				e.holdOutputs(c.id, attempt, &s)
			}
			return s.err
		})
		e.post(func(ctx context.Context) {
			c.looking = false
			if e.commands[c.id] == c && c.attempt == attempt && !c.report.State.Final() {
				e.act(ctx, c, s)
			} else {
				s.drop()
			}
			if c.again {
				c.again = false
				e.look(c)
				return
			}
			e.looked(c)
		})
	})
}

// holdOutputs opens the outputs of what runs. If its end-process or its leader
// still has its files once we have them too, what is in them was never let go of
// in between.
func (e *Executor) holdOutputs(id string, attempt uint32, s *sight) {
	if s.found.Run != adopt.Whole || s.found.Exit == adopt.Whole || s.found.Claim == adopt.Decided {
		return
	}
	dir, err := e.root.Command(id)
	if err == nil {
		s.held, err = dir.Hold(attempt)
		dir.Close()
	}
	if err != nil && !errors.Is(err, spool.ErrMissing) {
		s.holdFault = err
	}
	s.heldInTime = s.held != nil && (!proc.Leaving(s.claim.Supervisor) || !proc.Leaving(s.run.Leader))
}

// drop gives back what is held.
func (s *sight) drop() {
	if s.held != nil {
		s.held.Close()
		s.held = nil
	}
}

// looked tells those who waited for a look.
func (e *Executor) looked(c *command) {
	waiters := c.waiters
	c.waiters = nil
	for _, w := range waiters {
		w()
	}
}

// see reads the records, looks who lives, and reads the records again until
// both readings name the same processes: what ended in between has its outcome
// seen, what began in between is not taken for dead. ours: an end-process that
// we started and wait for lives.
func (e *Executor) see(id string, attempt uint32, ours bool, startBy time.Time) sight {
	dir, err := e.root.Command(id)
	if err != nil {
		return sight{err: err}
	}
	defer dir.Close()
	s := read(dir, attempt)
	for s.err == nil {
		endProcess := s.claim.Supervisor
		if s.found.Claim == adopt.DamagedClaim && s.found.Exit != adopt.Whole {
			if endProcess, err = e.unnamed(id, attempt); err != nil {
				return sight{err: err}
			}
		}
		live, err := e.liveness(s, endProcess, ours)
		if err != nil {
			return sight{err: err}
		}
		now := read(dir, attempt)
		if now.err != nil {
			return now
		}
		same := now.claim.Supervisor == s.claim.Supervisor && now.run.Leader == s.run.Leader && now.found.Claim == s.found.Claim
		s = now
		if same {
			s.live, s.endProcess = live, endProcess
			s.live.StartByPassed = !startBy.IsZero() && time.Now().After(startBy)
			break
		}
	}
	if s.err == nil && (s.found.Exit == adopt.Whole || s.found.Claim == adopt.Decided) {
		if err := dir.Confirm(); err != nil {
			return sight{err: err}
		}
		s.sums = digests(dir, attempt, s.outcome)
		if s.outcome.Message == "" && lacksOutput(dir, attempt, s.outcome) {
			s.outcome.Message = outputLacking
		}
	}
	return s
}

// outputLacking is told of an outcome whose output is not all there: the disk has
// lost it, with its power or by a person's hand.
const outputLacking = "its outcome is certain, but kept output is missing on this host's disk"

// lacksOutput reports whether less output is there than the outcome says.
func lacksOutput(dir *spool.Command, attempt uint32, o spool.Outcome) bool {
	if o.Kept == [2]uint64{} {
		return false
	}
	run, err := limits(dir)
	if err != nil {
		return false // that nobody can tell
	}
	for i, want := range o.Kept {
		if want > 0 && dir.Drained(attempt, i, max(run.Keep, want)).Kept < want {
			return true
		}
	}
	return false
}

// readSpec reads what could not be read before. A damaged one tells nothing
// more.
func (e *Executor) readSpec(id string, s *sight) error {
	dir, err := e.root.Command(id)
	if err != nil {
		return err
	}
	defer dir.Close()
	s.spec, err = dir.Spec()
	s.specRead = err == nil
	if errors.Is(err, spool.ErrMissing) || errors.Is(err, spool.ErrDamaged) {
		return nil
	}
	return err
}

// read is one reading of the records.
func read(dir *spool.Command, attempt uint32) sight {
	var s sight
	var err error
	s.claim, err = dir.Attempt(attempt)
	switch {
	case errors.Is(err, spool.ErrMissing):
		s.found.Claim = adopt.NoClaim
	case errors.Is(err, spool.ErrDamaged):
		s.found.Claim = adopt.DamagedClaim
		planted.Do("a damaged record counts as none", func() { s.found.Claim = adopt.NoClaim })
	case err != nil:
		return sight{err: err}
	case s.claim.Supervisor.IsZero():
		s.found.Claim, s.outcome = adopt.Decided, s.claim.Decided
	default:
		s.found.Claim = adopt.Begun
	}
	s.run, err = dir.Started(attempt)
	if s.found.Run, err = recordState(err); err != nil {
		return sight{err: err}
	}
	outcome, err := dir.Exit(attempt)
	if s.found.Exit, err = recordState(err); err != nil {
		return sight{err: err}
	}
	if s.found.Exit == adopt.Whole {
		s.outcome = outcome
	}
	s.found.Stop = dir.Stopped()
	s.overdue = dir.Overdue(attempt)
	s.found.Spec = adopt.Whole
	if s.found.Claim == adopt.NoClaim {
		s.spec, err = dir.Spec()
		if s.found.Spec, err = recordState(err); err != nil {
			return sight{err: err}
		}
		s.specRead = s.found.Spec == adopt.Whole
		if s.found.Spec == adopt.Missing { // it was accepted; what is missing now was set aside
			s.found.Spec = adopt.Damaged
		}
	}
	return s
}

func recordState(err error) (adopt.Record, error) {
	switch {
	case err == nil:
		return adopt.Whole, nil
	case errors.Is(err, spool.ErrMissing):
		return adopt.Missing, nil
	case errors.Is(err, spool.ErrDamaged):
		return adopt.Damaged, nil
	}
	return adopt.Missing, err
}

// liveness looks who lives of what the records name. On an error nobody is
// taken for dead.
func (e *Executor) liveness(s sight, supervisor proc.Identity, ours bool) (l adopt.Liveness, err error) {
	if s.found.Exit == adopt.Whole || s.found.Claim == adopt.Decided {
		return l, nil // nothing depends on it
	}
	leader := s.run.Leader
	l.OtherBoot = supervisor.Boot != "" && supervisor.Boot != e.boot || leader.Boot != "" && leader.Boot != e.boot
	switch {
	case supervisor.IsZero() && ours:
		l.EndProcess = adopt.Alive
	case !supervisor.IsZero():
		l.EndProcess = alive(supervisor)
	}
	if l.EndProcess == adopt.Dead && s.found.Claim != adopt.NoClaim && !l.OtherBoot && !planted.Bug("lost while its tree lives") {
		if l.Tree, err = s.claim.Tree(s.run.Leader).Alive(); err == nil && !l.Tree {
			l.Tree, err = e.canTell(leader)
		}
	}
	return l, err
}

// unnamed finds the end-process that lives of an attempt whose record cannot be
// read: by its arguments, among ours. Zero: there is none.
func (e *Executor) unnamed(id string, attempt uint32) (proc.Identity, error) {
	ours, err := proc.Carriers(spool.OwnerName)
	want := endProcessName + "\x00" + e.root.Path(id) + "\x00" + strconv.FormatUint(uint64(attempt), 10) + "\x00"
	for _, c := range ours {
		args, err := os.ReadFile("/proc/" + strconv.Itoa(c.PID) + "/cmdline") // it is gone
		if err == nil && string(args) == want {
			return proc.Identity{Boot: e.boot, PID: c.PID, Start: c.Start}, nil
		}
	}
	return proc.Identity{}, err
}

func alive(id proc.Identity) adopt.Process {
	p, err := proc.Open(id)
	if errors.Is(err, proc.ErrGone) {
		return adopt.Dead
	}
	if err != nil {
		return adopt.Unclear
	}
	defer p.Close()
	if p.Ended() {
		return adopt.Dead
	}
	return adopt.Alive
}

// canTell reports whether we can still say how the leader ended.
func (e *Executor) canTell(leader proc.Identity) (bool, error) {
	if leader.IsZero() {
		return false, nil
	}
	if _, known := e.orphans.status(leader); known {
		return true, nil
	}
	p, err := proc.Open(leader)
	if errors.Is(err, proc.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer p.Close()
	_, known := p.Peek()
	return known, nil
}
