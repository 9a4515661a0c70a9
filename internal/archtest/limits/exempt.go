package limits

// Exempts are the numbers that look like limits and bound nothing that fills.
func Exempts() []Exempt {
	const (
		stop  = "how long a stop may take"
		pace  = "a pace"
		life  = "the life of what is issued"
		shape = "the shape of the deployment"
		// Of gRPC: its receiver never stops reading, and what waits behind it is bounded by its own limit.
		transport = "a window of the transport, which is always read"
	)
	return []Exempt{
		{"tier/access", "drain_budget", stop},
		{"tier/scheduler", "drain_budget", stop},
		{"tier/aggregator", "drain_budget", stop},
		{"tier/issuer", "drain_budget", stop},
		{"tier/scheduler", "shards", shape},
		{"tier/scheduler", "mostPace", pace},
		{"tier/scheduler", "retention.least", "what is kept even beyond retention.bytes"},
		{"tier/scheduler", "retention.interval", pace},
		{"tier/scheduler", "retention.step", pace},
		{"tier/scheduler/retention", "mostRest", pace},
		{"tier/aggregator", "heartbeat_interval", pace},
		{"tier/aggregator", "lease_ttl", pace},
		{"tier/aggregator", "mostMismatches", "when a host is asked for everything, not how often"},
		{"tier/access", "connWindow", transport},
		{"tier/aggregator", "sessionWindow", transport},
		{"tier/aggregator", "meshWindow", transport},
		{"tier/issuer", "host_ttl", life},
		{"tier/issuer", "user_ttl", life},
		{"state/store/postgres", "store.readers", "connections of a pool: a call waits for one, and no longer than store.busy_timeout"},
		{"state/store/postgres", "store.writers", "likewise"},
		{"state/store/postgres", "maxTries", "tries of one call: who commits tries the same batch again"},
		{"state/coord/etcd", "etcd.request_timeout", "a time to wait: then the call has failed, and holds nothing"},
		{"state/coord/etcd", "etcd.resync", pace},
		{"run/obs/export", "trace.ratio", "a share, which has no end"},
		{"run/obs/export", "maxBatch", "how many spans go together; what may wait is maxQueue"},
		{"cmd/executor", "maxMessage", "the agent of the same host sends no more: all parts of a command have limits in host/spool"},
		{"host/spool", "maxRecord", "how much of a file is read: what is written has the limits of its parts"},
		{"wire", "MaxCapsuleInline", "which way a capsule goes, not how large it may be"},
	}
}
