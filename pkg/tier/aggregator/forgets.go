package aggregator

import "github.com/ccs-project/ccs/pkg/core/job"

// forgets is the Forgets on their way to one host, until it has them.
type forgets struct {
	waiting []job.ID
	sent    []sentForgets // ascending by reply
}

type sentForgets struct {
	reply uint64
	ids   []job.ID
}

func (f *forgets) add(id job.ID) { f.waiting = append(f.waiting, id) }

func (f *forgets) size() int {
	n := len(f.waiting)
	for _, s := range f.sent {
		n += len(s.ids)
	}
	return n
}

// take is at most limit of what waits, as part of a reply.
func (f *forgets) take(reply uint64, limit int) []job.ID {
	n := min(limit, len(f.waiting))
	if n == 0 {
		return nil
	}
	ids := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	if len(f.waiting) == 0 {
		f.waiting = nil
	}
	f.sent = append(f.sent, sentForgets{reply, ids})
	return ids
}

// have notes that the host has taken over every reply up to this one.
func (f *forgets) have(reply uint64) {
	for len(f.sent) > 0 && f.sent[0].reply <= reply {
		f.sent = f.sent[1:]
	}
	if len(f.sent) == 0 {
		f.sent = nil
	}
}

// reopen makes all of it wait for the next session.
func (f *forgets) reopen() {
	var again []job.ID
	for _, s := range f.sent {
		again = append(again, s.ids...)
	}
	f.waiting, f.sent = append(again, f.waiting...), nil
}
