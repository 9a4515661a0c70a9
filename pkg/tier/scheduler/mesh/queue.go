package mesh

import (
	"maps"
	"slices"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	corelink "github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// queue is what is owed on one stream, by task, so that it is bounded by the
// tasks of the jobs and not by how often something is said of them. Classes
// take turns, and within a class jobs do: a large job does not hold up a small
// one. It is not safe for concurrent use.
type queue struct {
	room      fleet.Room
	repeats   bool             // the aggregator wants the capsule in every payload
	withdraws bool             // it knows the wish to withdraw
	window    *corelink.Window // releases that the aggregator takes, by class
	begin     wire.Credits     // with what a class begins
	owns      bool             // the shards that are owned are to be told

	jobs    map[job.ID]*owed
	waiting int           // releases, stops and questions of all jobs
	classes []*classQueue // in the order of their turns
	sent    *sentPayloads
	strays  strays

	have    []*meshv1.HaveReports  // one a class: the newest number says all
	credits []*typesv1.ClassCredit // likewise: their sum
	begun   map[string]bool        // classes that have had what they begin with
}

// classQueue is the jobs of one class that are owed something, first come first.
type classQueue struct {
	name  string
	jobs  []*owed
	spent time.Time // since when its releases have no credit; zero: they have, or there are none
}

// owed is what is owed to the hosts of one job.
type owed struct {
	payload  *Payload
	queued   bool
	since    time.Time // when the first of the dispatches came that are here
	dispatch map[uint32]job.Dispatch
	wish     map[uint32]job.Wish
	forget   map[uint32]struct{}
	query    map[uint32]struct{}
	traces   Traces // of dispatches; nil: none was ever traced
}

// maxWindow bounds what an aggregator can make this process send at once.
const maxWindow = 1 << 20

func newQueue(r room) *queue {
	return &queue{
		room: r.name, repeats: r.version < wire.CapsuleOnce, withdraws: r.version >= wire.MeshWithdraws, window: corelink.NewWindow(maxWindow), jobs: map[job.ID]*owed{},
		sent: newSentPayloads(), begin: r.credits, begun: map[string]bool{},
	}
}

// grant notes how many more releases the aggregator takes.
func (q *queue) grant(credits wire.Credits) {
	for class, more := range credits {
		q.open(class)
		q.window.Grant(class, more)
	}
}

// open gives a class what it begins with, once.
func (q *queue) open(class string) {
	if !q.begun[class] {
		q.begun[class] = true
		q.window.Grant(class, q.begin.Initial(class))
	}
}

// received acknowledges a batch and gives its credit back.
func (q *queue) received(class string, number uint64, reports int) {
	if i := slices.IndexFunc(q.have, func(h *meshv1.HaveReports) bool { return h.GetClass() == class }); i >= 0 {
		q.have[i].Number = number
	} else {
		q.have = append(q.have, &meshv1.HaveReports{Class: class, Number: number})
	}
	if i := slices.IndexFunc(q.credits, func(c *typesv1.ClassCredit) bool { return c.GetClass() == class }); i >= 0 {
		q.credits[i].More += uint32(reports)
	} else {
		q.credits = append(q.credits, &typesv1.ClassCredit{Class: class, More: uint32(reports)})
	}
}

// add queues what is owed to hosts of a job. If too much waits already only
// Forgets are: of them there are no more than the aggregator holds reports, and
// all else is said again by the pull of its job.
func (q *queue) add(p *Payload, s job.Send) {
	if q.waiting >= maxOwed {
		s = job.Send{Forget: s.Forget}
	}
	o := q.jobs[p.Job]
	if o == nil {
		if s.Empty() {
			return
		}
		o = &owed{
			dispatch: map[uint32]job.Dispatch{}, wish: map[uint32]job.Wish{},
			forget: map[uint32]struct{}{}, query: map[uint32]struct{}{},
		}
		q.jobs[p.Job] = o
	}
	if o.payload = p; len(o.dispatch) == 0 {
		o.since = time.Now()
	}
	before := o.waiting()
	o.add(s)
	if !q.withdraws {
		o.keepBack()
	}
	q.waiting += o.waiting() - before
	q.enqueue(o)
}

// waiting is how much of what the pull says again is owed.
func (o *owed) waiting() int { return len(o.dispatch) + len(o.wish) + len(o.query) }

func (o *owed) add(s job.Send) {
	for _, d := range s.Dispatch {
		o.dispatch[d.Ordinal] = d
	}
	for _, w := range s.Wishes {
		if d, ok := o.dispatch[w.Ordinal]; ok && d.Attempt <= w.Attempt {
			d.Want = w.Want
			o.dispatch[w.Ordinal] = d
			continue
		}
		o.wish[w.Ordinal] = w
	}
	for _, ordinal := range s.Query {
		o.query[ordinal] = struct{}{}
	}
	for _, ordinal := range s.Forget {
		delete(o.dispatch, ordinal)
		delete(o.wish, ordinal)
		delete(o.query, ordinal)
		delete(o.traces, ordinal)
		o.forget[ordinal] = struct{}{}
	}
}

// keepBack drops what an aggregator must not get that does not know the wish to
// withdraw: it would overlook it, and let the task start.
func (o *owed) keepBack() {
	maps.DeleteFunc(o.dispatch, func(ordinal uint32, d job.Dispatch) bool {
		if d.Want == task.DesiredWithdraw {
			delete(o.traces, ordinal)
		}
		return d.Want == task.DesiredWithdraw
	})
	maps.DeleteFunc(o.wish, func(_ uint32, w job.Wish) bool { return w.Want == task.DesiredWithdraw })
}

// spent notes whether the credit of a class is spent, and since when.
func (q *queue) spent(class string, is bool) {
	c := q.class(class)
	switch {
	case c == nil:
	case !is:
		c.spent = time.Time{}
	case c.spent.IsZero():
		c.spent = time.Now()
	}
}

func (q *queue) class(name string) *classQueue {
	for _, c := range q.classes {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Wait is what a release waits for here: the aggregator takes no more of its class
// for now.
type Wait struct {
	Since  time.Time
	Others int // releases of the class that wait with it
}

// waits reports whether a release waits for credit.
func (q *queue) waits(id job.ID, ordinal uint32) (Wait, bool) {
	o := q.jobs[id]
	if o == nil {
		return Wait{}, false
	}
	c := q.class(o.payload.Class)
	if _, queued := o.dispatch[ordinal]; !queued || c == nil || c.spent.IsZero() {
		return Wait{}, false
	}
	w := Wait{Since: c.spent, Others: -1}
	if o.since.After(w.Since) {
		w.Since = o.since
	}
	for _, other := range c.jobs {
		w.Others += len(other.dispatch)
	}
	return w, true
}

// trace notes the traces of dispatches that have been added.
func (q *queue) trace(p *Payload, traces Traces) {
	o := q.jobs[p.Job]
	if o == nil || len(traces) == 0 {
		return
	}
	if o.traces == nil {
		o.traces = Traces{}
	}
	maps.Copy(o.traces, traces)
}

func (o *owed) empty() bool {
	return o.waiting()+len(o.forget) == 0
}

func (q *queue) enqueue(o *owed) {
	if o.queued || o.empty() {
		return
	}
	o.queued = true
	if c := q.class(o.payload.Class); c != nil {
		c.jobs = append(c.jobs, o)
		return
	}
	q.classes = append(q.classes, &classQueue{name: o.payload.Class, jobs: []*owed{o}})
}

// next takes the next message; nil: nothing can be sent now.
func (q *queue) next() (*meshv1.ConnectRequest, error) {
	if msg := q.nextAnswer(); msg != nil {
		return msg, nil
	}
	if msg := q.strays.next(); msg != nil {
		return msg, nil
	}
	for range q.classes {
		c := q.classes[0]
		q.classes = append(q.classes[1:], c)
		if msg, err := q.nextOf(c); msg != nil || err != nil {
			return msg, err
		}
	}
	return nil, nil //nolint:nilnil // there is nothing to send, and nothing wrong
}

// nextAnswer is what is owed for reports: it comes before all else, because the
// other side may be waiting for it.
func (q *queue) nextAnswer() *meshv1.ConnectRequest {
	if len(q.have) > 0 {
		h := q.have[0]
		q.have = q.have[1:]
		return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Have{Have: h}}
	}
	if len(q.credits) > 0 {
		c := &meshv1.Credits{Credits: q.credits}
		q.credits = nil
		return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Credits{Credits: c}}
	}
	return nil
}

// nextOf is the next message of a class. A job whose releases have no credit
// keeps its turn; its wishes go all the same.
func (q *queue) nextOf(c *classQueue) (*meshv1.ConnectRequest, error) {
	for i := 0; i < len(c.jobs); i++ {
		o := c.jobs[i]
		before := o.waiting()
		msg, err := q.nextOfJob(o)
		q.waiting += o.waiting() - before
		if msg == nil && err == nil {
			if o.empty() {
				c.jobs = slices.Delete(c.jobs, i, i+1)
				q.drop(o)
				i--
			}
			continue
		}
		c.jobs = slices.Delete(c.jobs, i, i+1)
		o.queued = false
		if o.empty() {
			q.drop(o)
		} else {
			q.enqueue(o)
		}
		return msg, err
	}
	return nil, nil //nolint:nilnil // the class has nothing that can be sent
}

func (q *queue) drop(o *owed) {
	o.queued = false
	delete(q.jobs, o.payload.Job)
}

func (q *queue) nextOfJob(o *owed) (*meshv1.ConnectRequest, error) {
	if len(o.wish)+len(o.forget) > 0 {
		return o.wishes(), nil
	}
	if len(o.dispatch) > 0 {
		q.open(o.payload.Class)
		n := q.window.Take(o.payload.Class, uint32(min(len(o.dispatch), maxReleases)))
		q.spent(o.payload.Class, n == 0)
		if n > 0 {
			return q.dispatch(o, int(n))
		}
	}
	if len(o.query) > 0 {
		return o.ask(), nil
	}
	return nil, nil //nolint:nilnil // its releases wait for credit
}
