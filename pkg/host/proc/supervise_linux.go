package proc

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long the last steps of a command may take.
const (
	drainFor     = time.Second            // output of descendants after the leader's end
	exitFor      = 100 * time.Millisecond // of descendants that have closed their output
	leftoverTerm = 2 * time.Second        // between TERM and KILL of leftovers, at most
	leftoverKill = 3 * time.Second        // between KILL and giving up leftovers that it does not end
	sweepEvery   = 20 * time.Millisecond  // while a tree is being ended; slower and slower after KILL
	lookEvery    = time.Second            // a tree without a leader, or one that KILL does not end
	lastPulls    = 64                     // more than any pipe holds
)

// Output is one stream that is drained while a process runs.
type Output interface {
	// FD is readable when there is something to take; -1: it is at its end.
	FD() int
	// Pull takes what is there without blocking, a bounded amount. It
	// reports whether there may be more at once.
	Pull() (more bool)
}

// Cause says who ended a process.
type Cause uint8

// The causes of an end.
const (
	ByItself  Cause = iota
	ByTimeout       // the tree was ended because its time was up
	ByStop          // the tree was ended because a stop was wished
)

// Ending is how a supervised tree ended.
type Ending struct {
	Cause     Cause
	Status    Status
	Known     bool      // Status could be learnt
	At        time.Time // when the leader's end was seen
	Leftovers int       // descendants that outlived the leader and were ended
	Stuck     []Stat    // those of them that could not be ended and live on
	Abandoned bool      // Abandon said so; nothing else is meaningful
}

// Supervision watches a tree from its start to its end: it drains, enforces
// the timeout and the stop, and ends what the leader leaves behind. The
// end-process runs one over its offspring; the executor runs one over orphans
// if an end-process died.
type Supervision struct {
	Leader  *Process // nil: unknown; done is then when the tree is gone
	Gone    bool     // with a nil Leader: it is known to have ended
	Tree    Tree
	Outputs []Output
	Reap    func() // waits for orphans; called often
	// Learn tells how the leader ended if it was waited for elsewhere; nil:
	// nobody can.
	Learn func() (Status, bool)

	Wake    int           // fd: readable when Stop or Abandon should be asked again; -1: none
	Stopped func() bool   // a stop is wished
	Abandon func() bool   // give up watching, leave everything alone; nil: never
	Overdue func()        // the time is up and is only reported
	Timeout time.Duration // from now on; 0: none
	Report  bool          // the timeout only reports
	Grace   time.Duration // between TERM and KILL
	Leave   bool          // what outlives a leader that ended by itself goes on

	// Ends is called before the first signal: how the leader ends then is no
	// news of the leader, and a successor must know that.
	Ends func(Cause)
	// Began is why a predecessor began to end the tree; ByItself: it had not.
	Began Cause

	cause  Cause
	timeUp time.Time // zero: no timeout or it was handled
	killAt time.Time // zero: not ending yet
	owed   bool      // TERM may not have reached all
	next   time.Time // of KILL
	pace   time.Duration
}

// Run returns when the leader has ended and nothing of the tree lives. If how
// the leader ended is known, what KILL does not end holds it up for a bounded
// time only. It blocks its thread.
func (s *Supervision) Run() Ending {
	if s.Timeout > 0 {
		s.timeUp = time.Now().Add(s.Timeout)
	}
	if s.Began != ByItself { // it may have told nobody yet: to be told twice is harmless
		s.cause = s.Began
		s.terminate(time.Now().Add(s.Grace))
	}
	for {
		s.pull()
		s.Reap()
		if s.leaderEnded() {
			break
		}
		if s.abandoned() {
			return Ending{Abandoned: true}
		}
		s.enforce(time.Now())
		s.poll(s.pause(time.Now()), true)
	}
	end := Ending{Cause: s.cause, At: time.Now()}
	if s.Leader != nil {
		end.Status, end.Known = s.Leader.Peek()
	}
	if !end.Known && s.Learn != nil {
		end.Status, end.Known = s.Learn()
	}
	return s.finish(end)
}

// leaderEnded holds if it is certain.
func (s *Supervision) leaderEnded() bool {
	if s.Leader == nil {
		return s.Gone || !s.alive()
	}
	return s.Leader.Ended()
}

// alive takes the tree for alive until it is known that it is not.
func (s *Supervision) alive() bool {
	alive, err := s.Tree.Alive()
	return alive || err != nil
}

// enforce starts or hardens the end of the tree.
func (s *Supervision) enforce(now time.Time) {
	switch {
	case s.cause != ByItself:
		s.harden(now)
	case s.Stopped():
		s.end(ByStop, now)
	case !s.timeUp.IsZero() && !now.Before(s.timeUp):
		s.timeUp = time.Time{}
		if s.Report {
			s.Overdue()
			return
		}
		s.end(ByTimeout, now)
	}
}

func (s *Supervision) end(cause Cause, now time.Time) {
	if s.leaderEnded() {
		return // by itself, a moment ago: that is how it ended
	}
	s.cause = cause
	s.Ends(cause)
	s.terminate(now.Add(s.Grace))
}

// terminate is the gentle beginning of the end, which is KILL.
func (s *Supervision) terminate(killAt time.Time) {
	s.killAt, s.next, s.pace = killAt, killAt, sweepEvery
	err := s.Tree.Signal(unix.SIGTERM)
	if err == nil {
		err = s.Tree.Signal(unix.SIGCONT) // a stopped process cannot obey
	}
	s.owed = err != nil
}

// harden sends KILL when it is time, and again to what was forked meanwhile.
func (s *Supervision) harden(now time.Time) {
	switch {
	case now.Before(s.killAt) && s.owed:
		s.terminate(s.killAt)
	case now.After(s.next):
		_ = s.Tree.Signal(unix.SIGKILL) // and again soon
		s.next, s.pace = now.Add(s.pace), min(2*s.pace, lookEvery)
	}
}

// pause is how long nothing needs to be done; -1: until something happens.
func (s *Supervision) pause(now time.Time) time.Duration {
	switch {
	case s.cause != ByItself && s.owed && now.Before(s.killAt):
		return sweepEvery
	case s.cause != ByItself:
		return min(lookEvery, max(0, s.next.Sub(now))+time.Millisecond)
	case !s.timeUp.IsZero() && s.Leader == nil:
		return min(lookEvery, max(0, s.timeUp.Sub(now)))
	case !s.timeUp.IsZero():
		return max(0, s.timeUp.Sub(now)) + time.Millisecond
	case s.Leader == nil:
		return lookEvery
	}
	return -1
}

// finish takes the last output and ends what is left. What the leader itself
// wrote is in the FIFO already; its descendants get drainFor to write more. If
// the leader was told to end, so were they, and they have the rest of the grace.
func (s *Supervision) finish(end Ending) Ending {
	s.lastDrain(end.At)
	if !s.leaves() && s.alive() {
		if s.cause == ByItself {
			left, _ := s.Tree.Living() // only told
			end.Leftovers = len(left)
			s.terminate(time.Now().Add(min(s.Grace, leftoverTerm)))
		}
		if !s.endLeftovers(&end) {
			return Ending{Abandoned: true}
		}
	}
	for range lastPulls { // bounded: a process that no tree shows may write for ever
		if !s.pull() {
			break
		}
	}
	return end
}

// leaves reports whether what is left of the tree goes on: as asked for, but not
// if all of it was told to end.
func (s *Supervision) leaves() bool { return s.Leave && s.cause == ByItself }

// lastDrain waits for what descendants still write, and for those who have
// nothing more to say to end by themselves, unless they may go on.
func (s *Supervision) lastDrain(leaderEnded time.Time) {
	until, silent := leaderEnded.Add(drainFor), false
	for s.cause == ByItself && s.alive() {
		if !silent && !s.open() {
			silent = true
			if s.leaves() {
				return
			}
			if soon := time.Now().Add(exitFor); soon.Before(until) {
				until = soon
			}
		}
		left := time.Until(until)
		if left <= 0 || s.Stopped() {
			return
		}
		s.poll(min(left, sweepEvery), false)
		s.pull()
		s.Reap()
	}
}

// endLeftovers returns when nothing lives, or when what lives does not end and
// need not: nobody starts the attempt again if its end is known. False: it was
// abandoned.
func (s *Supervision) endLeftovers(end *Ending) bool {
	settled := end.Known || s.cause != ByItself
	giveUp := time.Now()
	if s.killAt.After(giveUp) {
		giveUp = s.killAt
	}
	giveUp = giveUp.Add(leftoverKill)
	for s.alive() {
		if s.abandoned() {
			return false
		}
		now := time.Now()
		if settled && now.After(giveUp) {
			if stuck, err := s.Tree.Living(); err == nil && len(stuck) > 0 {
				end.Stuck = stuck
				return true
			}
		}
		s.harden(now)
		s.poll(min(max(0, s.next.Sub(now)), s.pace)+time.Millisecond, false)
		s.pull()
		s.Reap()
	}
	return true
}

func (s *Supervision) abandoned() bool { return s.Abandon != nil && s.Abandon() }

func (s *Supervision) open() bool {
	for _, out := range s.Outputs {
		if out.FD() >= 0 {
			return true
		}
	}
	return false
}

// pull takes from every output once and reports whether any has more.
func (s *Supervision) pull() bool {
	more := false
	for _, out := range s.Outputs {
		if out.FD() >= 0 && out.Pull() {
			more = true
		}
	}
	return more
}

// poll waits until something is readable or the pause is over.
func (s *Supervision) poll(pause time.Duration, withLeader bool) {
	fds := make([]unix.PollFd, 0, 4)
	for _, out := range s.Outputs {
		if out.FD() >= 0 {
			fds = append(fds, unix.PollFd{Fd: int32(out.FD()), Events: unix.POLLIN})
		}
	}
	if withLeader && s.Leader != nil {
		fds = append(fds, unix.PollFd{Fd: int32(s.Leader.FD()), Events: unix.POLLIN})
	}
	if s.Wake >= 0 {
		fds = append(fds, unix.PollFd{Fd: int32(s.Wake), Events: unix.POLLIN})
	}
	timeout := -1
	if pause >= 0 {
		timeout = int((pause + time.Millisecond - 1) / time.Millisecond)
	}
	if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, syscall.EINTR) {
		return
	}
	s.quietWake()
}

// quietWake empties the wake fd: what it said will be asked for now.
func (s *Supervision) quietWake() {
	if s.Wake < 0 {
		return
	}
	var buf [64]byte
	for {
		if n, err := unix.Read(s.Wake, buf[:]); n <= 0 || err != nil {
			return
		}
	}
}
