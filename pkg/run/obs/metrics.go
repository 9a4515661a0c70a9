package obs

import (
	"fmt"
	"strings"
)

// Name is the name of a metric as OpenTelemetry writes it; Prometheus has
// underscores for the dots, and the unit at the end.
type Name string

// Kind is how a metric behaves.
type Kind string

// The kinds.
const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Metric is one row of the table.
type Metric struct {
	Name    Name
	Kind    Kind
	Unit    string    // UCUM: s, By, {task}
	Buckets []float64 // of a histogram
	Labels  []string  // attributes
	Tiers   []string  // binaries that have it
	Help    string    // one sentence
}

// Prometheus is the name that a scrape shows: with the unit, and _total for what
// only grows.
func (m Metric) Prometheus() string {
	name := PrometheusLabel(string(m.Name))
	switch m.Unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if m.Kind == KindCounter {
		name += "_total"
	}
	return name
}

// PrometheusLabel is the name of an attribute as a scrape shows it.
func PrometheusLabel(key string) string { return strings.ReplaceAll(key, ".", "_") }

// lookUp finds a metric of the table.
func lookUp(name Name, kind Kind) Metric {
	for _, m := range Metrics() {
		if m.Name == name && m.Kind == kind {
			return m
		}
	}
	panic(fmt.Sprintf("there is no %s %s in the table of metrics", kind, name))
}

// seconds are the buckets of durations.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// Names of all metrics.
const (
	JobsAccepted Name = "ccs.jobs.accepted"
	JobsDone     Name = "ccs.jobs.done"
	JobsLive     Name = "ccs.jobs.live"

	TasksReleased Name = "ccs.tasks.released"
	TasksSettled  Name = "ccs.tasks.settled"
	TasksInFlight Name = "ccs.tasks.in_flight"

	ShardsOwned   Name = "ccs.shards.owned"
	ShardsFenced  Name = "ccs.shards.fenced"
	StoreCommits  Name = "ccs.store.commits"
	StoreCommit   Name = "ccs.store.commit.duration"
	MeshStreams   Name = "ccs.mesh.streams"
	Registered    Name = "ccs.registered"
	EtcdWentBack  Name = "ccs.etcd.went_back"
	HostsKnown    Name = "ccs.hosts.known"
	HostsAttached Name = "ccs.hosts.attached"
	ReportsStray  Name = "ccs.reports.stray"
	StoreSize     Name = "ccs.store.size"
	RetainedJobs  Name = "ccs.retention.jobs.removed"
	RetainedRows  Name = "ccs.retention.rows.removed"
	RetentionStep Name = "ccs.retention.step.duration"

	Sessions           Name = "ccs.sessions"
	SessionsOpened     Name = "ccs.sessions.opened"
	SessionsRefused    Name = "ccs.sessions.refused"
	CommandsSent       Name = "ccs.commands.sent"
	ReportsReceived    Name = "ccs.reports.received"
	ReportsHeld        Name = "ccs.reports.held"
	BlobBytes          Name = "ccs.blobs.size"
	SpoolBytes         Name = "ccs.spool.size"
	SpoolEntries       Name = "ccs.spool.entries"
	PayloadsHeld       Name = "ccs.payloads.held"
	CommandsJudged     Name = "ccs.commands.judged"
	SessionAttached    Name = "ccs.session.attached"
	ReportsUnforgotten Name = "ccs.reports.unforgotten"

	CommandsStarted Name = "ccs.commands.started"
	CommandsEnded   Name = "ccs.commands.ended"
	CommandsLive    Name = "ccs.commands.live"
	CommandsAdopted Name = "ccs.commands.adopted"

	Requests          Name = "ccs.requests"
	RequestDuration   Name = "ccs.request.duration"
	Enrolments        Name = "ccs.enrolments"
	CertificateExpiry Name = "ccs.certificate.expiry"
)

// Metrics is the table of all metrics, in the order of the documentation.
func Metrics() []Metric {
	return []Metric{
		{Name: Requests, Kind: KindCounter, Unit: "{request}", Labels: []string{"method", "code"}, Tiers: []string{"access", "scheduler", "issuer"}, Help: "Calls that have ended, by method and gRPC status code; a watch counts when it ends."},
		{Name: RequestDuration, Kind: KindHistogram, Unit: "s", Buckets: seconds, Labels: []string{"method"}, Tiers: []string{"access", "scheduler", "issuer"}, Help: "Time of a unary call or a submission; that of watches is not measured."},
		{Name: CertificateExpiry, Kind: KindGauge, Unit: "s", Tiers: []string{"access", "scheduler", "aggregator", "agent", "issuer"}, Help: "When the process's certificate expires, in seconds since 1970."},
		{Name: JobsAccepted, Kind: KindCounter, Unit: "{job}", Labels: []string{"class"}, Tiers: []string{"scheduler"}, Help: "Jobs that became durable here."},
		{Name: JobsDone, Kind: KindCounter, Unit: "{job}", Labels: []string{"class"}, Tiers: []string{"scheduler"}, Help: "Jobs whose last target settled here."},
		{Name: JobsLive, Kind: KindGauge, Unit: "{job}", Tiers: []string{"scheduler"}, Help: "Jobs of owned shards that are not done."},
		{Name: TasksReleased, Kind: KindCounter, Unit: "{task}", Labels: []string{"class"}, Tiers: []string{"scheduler"}, Help: "Tasks released to their hosts."},
		{Name: TasksSettled, Kind: KindCounter, Unit: "{task}", Labels: []string{"class", "outcome"}, Tiers: []string{"scheduler"}, Help: "Outcomes that became durable; one that comes late and replaces UNKNOWN counts as well."},
		{Name: TasksInFlight, Kind: KindGauge, Unit: "{task}", Tiers: []string{"scheduler"}, Help: "Tasks released and not settled."},
		{Name: ShardsOwned, Kind: KindGauge, Unit: "{shard}", Tiers: []string{"scheduler"}, Help: "Shards of its pool that this process owns."},
		{Name: ShardsFenced, Kind: KindCounter, Unit: "{shard}", Tiers: []string{"scheduler"}, Help: "Ownerships that the job store ended, because another scheduler had claimed the shard or the store was restored; the host table counts as a shard."},
		{Name: StoreCommits, Kind: KindCounter, Unit: "{commit}", Labels: []string{"result"}, Tiers: []string{"scheduler"}, Help: "Transactions of the job store, by result."},
		{Name: StoreCommit, Kind: KindHistogram, Unit: "s", Buckets: seconds, Tiers: []string{"scheduler"}, Help: "Time of a transaction of the job store."},
		{Name: MeshStreams, Kind: KindGauge, Unit: "{stream}", Tiers: []string{"scheduler", "aggregator"}, Help: "Mesh streams that are open."},
		{Name: Registered, Kind: KindGauge, Unit: "{registration}", Tiers: []string{"scheduler", "aggregator"}, Help: "1 while the process is registered in etcd, so that others find it, else 0."},
		{Name: EtcdWentBack, Kind: KindGauge, Unit: "{alarm}", Tiers: []string{"access", "scheduler", "aggregator", "issuer"}, Help: "1 from when etcd was seen to have lost history (restored from an older snapshot) until the process is restarted, which is the operator's word; else 0."},
		{Name: HostsKnown, Kind: KindGauge, Unit: "{host}", Tiers: []string{"scheduler"}, Help: "Hosts in the host table."},
		{Name: HostsAttached, Kind: KindGauge, Unit: "{host}", Tiers: []string{"scheduler"}, Help: "Hosts that are attached to an aggregator, as this scheduler knows it."},
		{Name: ReportsStray, Kind: KindCounter, Unit: "{report}", Labels: []string{"reason"}, Tiers: []string{"scheduler"}, Help: "Reports of what is not in the store: purged (retention has removed the job, and the host may forget it), unknown (nobody knows where the job went: look) or forgotten (a task has no outcome, and its host was let forget it: look)."},
		{Name: StoreSize, Kind: KindGauge, Unit: "By", Tiers: []string{"scheduler"}, Help: "What the job store holds, as the scheduler knows it that removes what retention does not keep; 0 at the others."},
		{Name: RetainedJobs, Kind: KindCounter, Unit: "{job}", Tiers: []string{"scheduler"}, Help: "Jobs that retention has removed."},
		{Name: RetainedRows, Kind: KindCounter, Unit: "{row}", Tiers: []string{"scheduler"}, Help: "Rows that retention has removed; large content counts as several."},
		{Name: RetentionStep, Kind: KindHistogram, Unit: "s", Buckets: seconds, Tiers: []string{"scheduler"}, Help: "Time of one step of retention, the wait for its turn to write included."},
		{Name: Sessions, Kind: KindGauge, Unit: "{session}", Tiers: []string{"aggregator"}, Help: "Host sessions that are open."},
		{Name: SessionsOpened, Kind: KindCounter, Unit: "{session}", Tiers: []string{"aggregator"}, Help: "Host sessions opened."},
		{Name: SessionsRefused, Kind: KindCounter, Unit: "{session}", Labels: []string{"code"}, Tiers: []string{"aggregator"}, Help: "Host sessions refused at Connect, by gRPC status code; who fails at TLS does not get that far."},
		{Name: CommandsSent, Kind: KindCounter, Unit: "{command}", Labels: []string{"class"}, Tiers: []string{"aggregator"}, Help: "Commands put on replies to hosts, repetitions included."},
		{Name: ReportsReceived, Kind: KindCounter, Unit: "{report}", Tiers: []string{"aggregator"}, Help: "Reports that hosts sent, repetitions included."},
		{Name: ReportsHeld, Kind: KindGauge, Unit: "{report}", Tiers: []string{"aggregator"}, Help: "Reports held until their owner says Forget."},
		{Name: BlobBytes, Kind: KindGauge, Unit: "By", Tiers: []string{"aggregator"}, Help: "Bytes of outputs held for schedulers."},
		{Name: SpoolBytes, Kind: KindGauge, Unit: "By", Tiers: []string{"aggregator"}, Help: "Bytes of the room spool on the disk."},
		{Name: SpoolEntries, Kind: KindGauge, Unit: "{entry}", Tiers: []string{"aggregator"}, Help: "Entries of the room spool: tasks, capsules, runs of targets, outputs and marks of hosts."},
		{Name: PayloadsHeld, Kind: KindGauge, Unit: "{job}", Tiers: []string{"aggregator"}, Help: "Jobs whose capsule is held."},
		{Name: CommandsJudged, Kind: KindCounter, Unit: "{command}", Labels: []string{"verdict"}, Tiers: []string{"agent"}, Help: "Commands verified, by verdict: accepted, or the reason of the refusal."},
		{Name: SessionAttached, Kind: KindGauge, Unit: "{session}", Tiers: []string{"agent"}, Help: "1 while the agent has a session, else 0."},
		{Name: ReportsUnforgotten, Kind: KindGauge, Unit: "{report}", Tiers: []string{"agent"}, Help: "Reports of which no Forget has come; running commands included."},
		{Name: CommandsStarted, Kind: KindCounter, Unit: "{command}", Tiers: []string{"executor"}, Help: "End-processes started."},
		{Name: CommandsEnded, Kind: KindCounter, Unit: "{command}", Labels: []string{"outcome"}, Tiers: []string{"executor"}, Help: "Attempts that have an exit record, by outcome."},
		{Name: CommandsLive, Kind: KindGauge, Unit: "{command}", Tiers: []string{"executor"}, Help: "Commands accepted and not ended."},
		{Name: CommandsAdopted, Kind: KindCounter, Unit: "{command}", Tiers: []string{"executor"}, Help: "Running commands taken over from an executor before."},
		{Name: Enrolments, Kind: KindCounter, Unit: "{certificate}", Labels: []string{"kind", "result"}, Tiers: []string{"issuer"}, Help: "Requests for a certificate, by kind and result."},
	}
}
