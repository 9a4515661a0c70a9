package aggregator

import (
	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of one batch.
const (
	batchReports = 500
	batchBytes   = 256 << 10
)

// upward is the reports of one class on their way to one scheduler.
type upward struct {
	stream *stream
	class  string
	out    *link.Outbox[*record]
}

// route queues the report of a record for the owner of its job. A report that
// has no owner, or whose outputs are not all here, waits.
func (r *record) route() {
	o := r.host.hub.ownerOf(r)
	if o == nil || len(r.missing) > 0 {
		r.leave()
		return
	}
	c := o.upward(r.class())
	if r.via != c {
		r.leave()
		r.via = c
	}
	c.out.Put(r)
	o.poke()
}

// leave takes the report off its way.
func (r *record) leave() {
	if r.via != nil {
		r.via.out.Forget(r)
		r.via, r.told = nil, false
	}
}

// class is that of the job: as signed, where the capsule is known.
func (r *record) class() string {
	if r.job.capsule != nil {
		return r.job.class
	}
	return r.said.GetClass()
}

// pool is that of the job: as dispatched, where that is known.
func (r *record) pool() string {
	if r.job.capsule != nil {
		return r.job.pool
	}
	return r.said.GetPool()
}

// upward is the stream's way for a class. Classes beyond those that a deployment
// can have share one, lest a host that invents classes shut out others.
func (st *stream) upward(class string) *upward {
	if len(st.classes) >= mostClasses-1 {
		class = wire.EveryClass
	}
	for _, c := range st.classes {
		if c.class == class {
			return c
		}
	}
	c := &upward{stream: st, class: class, out: link.NewOutbox[*record]()}
	st.classes = append(st.classes, c)
	return c
}

// abandon takes all reports off the way; their hosts' records stay.
func (c *upward) abandon() {
	c.out.Reset()
	for _, keys := c.out.Next(c.out.Len()); len(keys) > 0; _, keys = c.out.Next(c.out.Len()) {
		for _, r := range keys {
			r.leave()
		}
	}
}

// nextReports is the next batch, in turn by class, within the window that the
// scheduler has given; nil: there is none.
func (st *stream) nextReports() *meshv1.Reports {
	for range st.classes {
		c := st.classes[st.next%len(st.classes)]
		st.next++
		limit := min(uint32(batchReports), st.window.free(c.class))
		if number, keys := c.out.Next(int(limit)); len(keys) > 0 {
			return c.batch(number, keys)
		}
	}
	return nil
}

// batch is a message of these reports, or of as many as fit; the others become
// due again.
func (c *upward) batch(number uint64, keys []*record) *meshv1.Reports {
	b := batch{
		out: &meshv1.Reports{Class: c.class, Number: number}, by: make(map[job.ID]*meshv1.JobReports),
		blobs: map[[32]byte]struct{}{}, held: &c.stream.hub.blobs,
	}
	for i, r := range keys {
		if i > 0 && b.bytes+b.size(r) > batchBytes {
			for _, later := range keys[i:] {
				c.out.Put(later)
			}
			break
		}
		b.add(r)
		c.stream.window.take(c.class, 1)
	}
	return b.out
}

// batch is a message under way.
type batch struct {
	out   *meshv1.Reports
	by    map[job.ID]*meshv1.JobReports
	blobs map[[32]byte]struct{} // that are in it
	held  *blobs
	bytes int
}

// size is what a report adds to the message.
func (b *batch) size(r *record) int {
	size := r.size
	for _, digest := range r.refs {
		if _, in := b.blobs[digest]; !in {
			size += len(b.small(digest))
		}
	}
	return size
}

// small is a blob that rides along; nil: it is fetched.
func (b *batch) small(digest [32]byte) []byte {
	if known := b.held.by[digest]; known != nil && len(known.content) <= wire.MaxInline {
		return known.content
	}
	return nil
}

func (b *batch) add(r *record) {
	r.told = true
	b.bytes += b.size(r)
	of := b.by[r.job.id]
	if of == nil {
		of = &meshv1.JobReports{JobId: r.job.id[:], Pool: r.pool()}
		b.by[r.job.id] = of
		b.out.Jobs = append(b.out.Jobs, of)
	}
	of.Items = append(of.Items, wire.PassReport(r.said, r.host.id, &r.inc))
	for _, digest := range r.refs {
		if _, in := b.blobs[digest]; in {
			continue
		}
		if content := b.small(digest); content != nil {
			b.blobs[digest] = struct{}{}
			b.out.Blobs = append(b.out.Blobs, &typesv1.Blob{Digest: digest[:], Content: content})
		}
	}
}
