package mesh

import (
	"maps"
	"slices"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// maxStrays bounds the Forgets for jobs that are gone that wait on one stream.
// One that is left out comes to its host when that speaks of the job again.
const maxStrays = 100_000

// strays are Forgets for jobs of which nothing else is known any more: no target
// list says what their ordinals are, so they go by host.
type strays struct {
	jobs map[job.ID]map[fleet.HostID]struct{}
	n    int
}

// Forget queues the word that a host may forget a job that is gone. It does not
// block. Without a stream it is dropped: it comes again when the host speaks of
// the job again.
func (m *Mesh) Forget(via fleet.Via, id job.ID, host fleet.HostID) {
	if l := m.link(via); l != nil {
		l.with(func(q *queue) { q.strays.add(id, host) })
	}
}

func (s *strays) add(id job.ID, host fleet.HostID) {
	hosts := s.jobs[id]
	if _, known := hosts[host]; known || s.n == maxStrays {
		return
	}
	if hosts == nil {
		hosts = map[fleet.HostID]struct{}{}
		if s.jobs == nil {
			s.jobs = map[job.ID]map[fleet.HostID]struct{}{}
		}
		s.jobs[id] = hosts
	}
	hosts[host] = struct{}{}
	s.n++
}

// next is a message of one job; nil: there is none.
func (s *strays) next() *meshv1.ConnectRequest {
	for id, hosts := range s.jobs {
		names := slices.Sorted(maps.Keys(hosts))
		names = names[:min(len(names), maxReleases)]
		w := &meshv1.Wishes{JobId: id[:]}
		for _, host := range names {
			w.Forget = append(w.Forget, &meshv1.HostOrdinal{HostId: string(host)})
			delete(hosts, host)
		}
		s.n -= len(names)
		if len(hosts) == 0 {
			delete(s.jobs, id)
		}
		return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: w}}
	}
	return nil
}
