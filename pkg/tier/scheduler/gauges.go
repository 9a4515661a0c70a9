package scheduler

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// gauges tells what is here now. None of them waits for a shard.
func (s *Scheduler) gauges() {
	for name, read := range map[obs.Name]func() int64{
		obs.JobsLive:      func() int64 { jobs, _ := s.load(); return jobs },
		obs.TasksInFlight: func() int64 { _, tasks := s.load(); return tasks },
		obs.ShardsOwned:   s.serves.Load,
		obs.HostsKnown:    func() int64 { return int64(s.hosts.Len()) },
		obs.HostsAttached: func() int64 { return int64(s.hosts.Here()) },
		obs.Registered:    s.registered,
	} {
		s.telemetry.Gauge(name, func(observe func(int64, ...attribute.KeyValue)) { observe(read()) })
	}
}

// registered is 1 while others find this scheduler.
func (s *Scheduler) registered() int64 {
	if keeper := s.keeper.Load(); keeper != nil && keeper.Registered() {
		return 1
	}
	return 0
}

// load is how many jobs are live in all shards, and how many of their tasks are
// in flight.
func (s *Scheduler) load() (jobs, tasks int64) {
	for _, sh := range s.shards {
		j, t := sh.Load()
		jobs, tasks = jobs+j, tasks+t
	}
	return jobs, tasks
}
