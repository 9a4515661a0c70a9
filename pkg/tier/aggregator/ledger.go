package aggregator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// Spool is the aggregator's disk. Commits are made one after the other.
type Spool interface {
	// ID names what is kept; another one voids every Have that was given.
	ID() string
	// All gives every entry to yield; the value is only lent.
	All(yield func(key string, value []byte) error) error
	// Commit makes all changes durable, or none. The error wraps
	// roomspool.ErrFull or ErrDamaged, or is that of a disk that may recover.
	Commit(changes []roomspool.Change) error
	// Usage is what is held.
	Usage() roomspool.Usage
}

// Bounds of one commit, and how soon one that came to nothing is tried again.
const (
	commitItems = 4_096
	commitBytes = 4 << 20
	commitRetry = time.Second
)

// ledger is what is not on the disk yet. It is level-triggered: an item says that
// something of a record, a host or a key has changed, and what is written is what
// is true when its turn comes. So what comes and goes between two commits costs no
// write. The hub's mutex guards it.
type ledger struct {
	spool Spool
	wake  chan struct{}
	fault atomic.Pointer[error] // why nothing can be written now; nil: it can

	items   []item                // in the order of their numbers
	last    uint64                // number that was given last
	durable uint64                // items up to this one are on the disk
	waiting map[*session]struct{} // whose heartbeats are not
	most    int                   // items of one batch
	crowded bool                  // what lives is more than there is room for
}

// item is one thing that has changed: a record, a host, or a key that is no
// longer needed.
type item struct {
	number  uint64
	record  *record
	host    *host
	key     string
	unknown bool // hosts of which nothing is known
}

func newLedger(spool Spool) *ledger {
	return &ledger{spool: spool, wake: make(chan struct{}, 1), waiting: map[*session]struct{}{}, most: commitItems}
}

func (l *ledger) add(it item) uint64 {
	l.last++
	it.number = l.last
	l.items = append(l.items, it)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return it.number
}

// gone lets go of a key that may be on the disk.
func (l *ledger) gone(key string) { l.add(item{key: key}) }

// stuck reports whether the disk takes nothing new now: then nothing new is asked
// for.
func (l *ledger) stuck() bool { return l.crowded || l.fault.Load() != nil }

// Fault is why nothing can be written now; nil: it can. It never blocks.
func (l *ledger) Fault() error {
	if fault := l.fault.Load(); fault != nil {
		return fmt.Errorf("cannot write the room spool; hosts and schedulers keep what they have: %w", *fault)
	}
	return nil
}

// changed notes that what is kept of a record has changed. Pings are not kept:
// they may be repeated, and their hosts keep nothing of them either.
func (r *record) changed() {
	if r.unsaved || !r.onDisk && (r.job.ping || r.gone) {
		return
	}
	r.unsaved = true
	r.savedIn = r.host.hub.ledger.add(item{record: r})
}

// mark notes that hosts of which nothing is known may have to say everything.
func (l *ledger) mark() { l.add(item{unknown: true}) }

// marked notes that the host may have to say everything, should this process end.
func (ho *host) marked() {
	if !ho.unsaved && ho.owes() != ho.saved {
		ho.unsaved = true
		ho.hub.ledger.add(item{host: ho})
	}
}

// owes reports whether something that the host believes to be had is only known
// in memory: then it has to say everything again to the next process.
func (ho *host) owes() bool { return ho.lossy || ho.forgets.size() > 0 }

// keep writes what has changed until ctx ends. The error says that the spool is
// damaged: the next process sets it aside.
func (h *hub) keep(ctx context.Context) error {
	retry := time.NewTimer(commitRetry)
	defer retry.Stop()
	for {
		more, err := h.commit()
		if errors.Is(err, roomspool.ErrDamaged) {
			return err
		}
		h.note(ctx, err)
		wake, again := h.ledger.wake, (<-chan time.Time)(nil)
		if err != nil { // what comes now would fail as well
			retry.Reset(commitRetry)
			wake, again = nil, retry.C
		}
		if more {
			continue
		}
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// flush writes what is left, when nothing changes any more.
func (h *hub) flush(ctx context.Context) {
	for {
		more, err := h.commit()
		h.note(ctx, err)
		if !more {
			return
		}
	}
}

// note says when the disk begins to fail, and when it works again.
func (h *hub) note(ctx context.Context, err error) {
	l := h.ledger
	before := l.fault.Load()
	switch {
	case err == nil && before != nil:
		l.fault.Store(nil)
		h.log.InfoContext(ctx, "room spool can be written again")
		h.mu.Lock()
		h.relieve()
		h.mu.Unlock()
	case err != nil && before == nil:
		h.log.ErrorContext(ctx, "room spool cannot be written; nothing new is taken and no host is told that its reports are here", "error", err)
		fallthrough
	case err != nil:
		l.fault.Store(&err)
		h.mu.Lock()
		h.answerAnyway()
		h.mu.Unlock()
	}
}

// commit writes one batch. more: there is another to be written at once. When
// the spool is full, what makes room goes first; the error is then of the others.
func (h *hub) commit() (more bool, err error) {
	more, err = h.commitSome(false)
	if !errors.Is(err, roomspool.ErrFull) {
		return more && err == nil, err
	}
	made, failed := h.commitSome(true)
	if failed != nil {
		return false, failed
	}
	return made, err
}

// commitSome writes one batch, or puts it back. some: there was something to
// write, and more is left.
func (h *hub) commitSome(onlyGone bool) (some bool, err error) {
	h.mu.Lock()
	b := h.nextBatch(onlyGone)
	h.mu.Unlock()
	if b == nil {
		return false, nil
	}
	err = h.ledger.spool.Commit(b.changes())
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.undo(b)
		return false, err
	}
	h.written()
	return len(h.ledger.items) > 0, nil
}

// crowding notes how full the spool is, and asks for more if it has room again.
func (h *hub) crowding() {
	use := h.ledger.spool.Usage()
	before := h.ledger.crowded
	if h.ledger.crowded = use.Live >= use.Room; before && !h.ledger.crowded {
		h.relieve()
	}
}

// written notes that everything before what is left is durable.
func (h *hub) written() {
	h.crowding()
	l := h.ledger
	if l.durable = l.last; len(l.items) > 0 {
		l.durable = l.items[0].number - 1
	}
	for se := range l.waiting {
		se.saved()
	}
}

// answerAnyway answers heartbeats without saying that their reports are here: the disk
// fails, and hosts must not take their session for dead.
func (h *hub) answerAnyway() {
	for se := range h.ledger.waiting {
		se.due = true
		se.poke()
	}
}

// unsavedHave is heartbeats whose reports are not all on the disk.
type unsavedHave struct {
	heartbeat uint64 // that may be acknowledged
	item      uint64 // once this one is durable
}

// taken notes that a heartbeat was worked on, of whose records the newest change
// has this number. It is answered once they are durable, or at once.
func (se *session) taken(heartbeat, item uint64) {
	l := se.hub.ledger
	if n := len(se.haves); item <= l.durable && n > 0 {
		se.haves[n-1].heartbeat = heartbeat
		se.due = true // without an acknowledgement: it waits behind others
		return
	}
	if item <= l.durable {
		se.had, se.due = heartbeat, true
		return
	}
	se.haves = append(se.haves, unsavedHave{heartbeat, item})
	l.waiting[se] = struct{}{}
	if l.fault.Load() != nil {
		se.due = true
	}
}

// saved acknowledges the heartbeats whose reports are durable now.
func (se *session) saved() {
	durable := se.hub.ledger.durable
	for len(se.haves) > 0 && se.haves[0].item <= durable {
		se.had, se.due = se.haves[0].heartbeat, true
		se.haves = se.haves[1:]
	}
	if len(se.haves) == 0 {
		se.haves = nil
		delete(se.hub.ledger.waiting, se)
	}
	if se.due {
		se.poke()
	}
}

// forgetPayload lets go of what is on the disk of a job.
func (l *ledger) forgetPayload(j *knownJob) {
	if j.saved {
		l.gone(jobKey(j.id))
	}
	for _, r := range j.ranges {
		l.forgetRun(j.id, r)
	}
}

func (l *ledger) forgetRun(id job.ID, r *targetRange) {
	if r.onDisk {
		l.gone(runKey(id, r.first))
	}
}
