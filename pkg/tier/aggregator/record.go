package aggregator

import (
	"time"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// record is one job on one incarnation of one host: the release on its way
// down, and the newest report on its way up. It is here as long as it has one of
// the two, or a wish. The hub's mutex guards it.
type record struct {
	host  *host
	job   *knownJob
	inc   fleet.Incarnation
	payer string  // the class that is charged for it
	next  *record // of another incarnation

	// The way down.
	ordinal uint32
	run     *targetRange // that the ordinal is in
	attempt uint32
	want    task.Desired // rides with the command
	queued  bool         // the host has not answered this attempt
	dirty   bool         // it is in its class's queue
	wish    task.Desired // goes by itself, until it is obeyed or comes too late; 0: none does
	wishSet bool         // it is in the host's queue of wishes
	sentIn  uint64       // reply of this session that carried it last; meaningless while dirty
	trace   *traced      // nil: it is not traced

	// The disk.
	unsaved bool   // it has changed since it was written last
	savedIn uint64 // number of that change
	onDisk  bool   // there may be an entry
	gone    bool   // nothing is held of it any more

	// The way up.
	said    *sessionv1.Report // the newest; never changed once it is here; nil: nothing was said
	size    int               // of what goes up, in bytes, about
	seen    task.Report
	pastW   bool
	told    bool       // an owner was sent the report
	round   uint64     // of the host's, when it last said something of it
	refs    [][32]byte // blobs that are held for it
	missing [][32]byte // blobs that it names and that are not here: it waits for them
	via     *upward    // where it is queued; nil: nowhere
}

// record finds what is held of a job on an incarnation; nil: nothing.
func (ho *host) record(id job.ID, inc fleet.Incarnation) *record {
	if ho == nil {
		return nil
	}
	for r := ho.tasks[id]; r != nil; r = r.next {
		if r.inc == inc {
			return r
		}
	}
	return nil
}

// hold is the record of a job on an incarnation, made if need be, at the expense
// of a class.
func (ho *host) hold(j *knownJob, inc fleet.Incarnation, class string) *record {
	if r := ho.record(j.id, inc); r != nil {
		return r
	}
	if ho.tasks == nil {
		ho.tasks = map[job.ID]*record{}
	}
	r := &record{host: ho, job: j, inc: inc, payer: ho.hub.tasks.payer(class), next: ho.tasks[j.id]}
	ho.tasks[j.id] = r
	j.records++
	ho.hub.tasks.charge(r.payer, 1)
	return r
}

// tidy drops the record if nothing is owed of it.
func (r *record) tidy() {
	if r.queued || r.wish != 0 || r.said != nil {
		return
	}
	r.unlink()
}

// forget drops the record: its outcome is durable above.
func (r *record) forget() {
	r.answered()
	r.drop()
}

// drop drops the report, and with it the record unless a release is on its way.
func (r *record) drop() {
	r.wish = 0
	r.setSaid(nil, task.Report{}, false)
	for _, digest := range r.refs {
		r.host.hub.blobs.unref(digest)
	}
	r.refs, r.missing = nil, nil
	r.leave()
	r.tidy()
}

func (r *record) unlink() {
	ho := r.host
	at := ho.tasks[r.job.id]
	switch {
	case at == nil:
		return
	case at == r && r.next == nil:
		delete(ho.tasks, r.job.id)
	case at == r:
		ho.tasks[r.job.id] = r.next
	default:
		for at.next != r {
			if at = at.next; at == nil {
				return // it has gone already
			}
		}
		at.next = r.next
	}
	r.gone = true
	r.changed()
	r.job.records--
	r.job.used = time.Now()
	ho.hub.tasks.charge(r.payer, -1)
}

// answered takes the release off its way: the host has said something of it, or
// nobody waits for that any more.
func (r *record) answered() {
	if r.queued {
		r.queued, r.dirty, r.trace = false, false, nil
		r.host.queued--
		r.changed()
	}
}

// isLive reports whether the host has it accepted and not ended.
func (r *record) isLive() bool {
	return r.said != nil && !r.pastW && r.seen.State >= task.Accepted && r.seen.State.Live()
}

// ended reports whether nothing but a Forget is to come of it.
func (r *record) ended() bool { return r.said != nil && (r.pastW || r.seen.State.Final()) }

// setSaid replaces the report.
func (r *record) setSaid(said *sessionv1.Report, seen task.Report, pastW bool) {
	before, ho := r.isLive(), r.host
	if r.said != nil {
		ho.hub.said--
	}
	if said != nil {
		ho.hub.said++
	}
	r.said, r.seen, r.pastW, r.told = said, seen, pastW, false
	r.changed()
	if after := r.isLive(); after != before && ho.here(r.inc) {
		ho.live.fresh = false
		if after {
			ho.live.n++
		} else {
			ho.live.n--
		}
	}
}

// answers reports whether what was said answers a release of this attempt.
func (r *record) answers(attempt uint32) bool {
	return r.said != nil && (r.pastW || r.seen.Attempt >= attempt && r.seen.State >= task.Accepted)
}

// had reports whether the host has taken over the command.
func (r *record) had() bool {
	se := r.host.session
	return r.queued && !r.dirty && se != nil && r.sentIn <= se.have
}
