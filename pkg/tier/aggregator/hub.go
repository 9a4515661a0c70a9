package aggregator

import (
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/roomspool/memory"
)

// Limits that are no operator's.
const (
	mostClasses     = 32    // of one stream, and of one session
	mostHostTasks   = 8_192 // of one host, before its credit is withheld
	mostForgets     = 4_096 // that wait for one host
	mostRanges      = 256   // runs of one job's targets
	rememberHosts   = 4     // times max_sessions: hosts of which something is remembered
	rememberNumbers = 4     // incarnations of a host whose session number is remembered
)

// hub is what this process knows. Sessions and streams meet here and nowhere
// else. One mutex guards all of it, with what can be reached from it: hosts,
// tasks, jobs, sessions, streams, outboxes and windows. Nobody sends, waits,
// hashes or parses while holding it.
type hub struct {
	cfg    Config
	log    *slog.Logger
	tracer trace.Tracer
	meters *meters
	spool  string // id of what is held here
	ledger *ledger

	mu        sync.Mutex
	closed    bool
	forgot    bool // a host of which nothing is known may have to say everything again
	admission admission
	hosts     map[fleet.HostID]*host
	sessions  int
	said      int // reports that are held
	questions int // that wait until their hosts have said everything
	jobs      map[job.ID]*knownJob
	payloads  int                    // jobs whose capsule is held
	weight    weight                 // of what is held of jobs
	capsules  map[[32]byte]*knownJob // those that are fetched, by digest
	tasks     budget                 // records of all hosts
	streams   map[string]*stream     // by scheduler
	owners    map[job.ShardID]owner
	shards    map[string]uint16 // number of shards, by pool
	blobs     blobs
	bundle    bundle
	views     map[uint64]*view // outputs that are looked at
	lastView  uint64
	starved   map[string]map[*session]struct{} // whose credit is withheld, by payer
	thirsty   map[string]map[*stream]struct{}  // likewise
}

// bundle is the newest bundle of keys, as it was published.
type bundle struct {
	version  uint64 // 0: there is none
	envelope *typesv1.Envelope
}

func newHub(cfg Config, log *slog.Logger, t obs.Telemetry) *hub {
	kept := memory.New()
	h := &hub{
		cfg: cfg, log: log, tracer: t.Tracer(), meters: newMeters(t), spool: kept.ID(), ledger: newLedger(kept),
		admission: newAdmission(cfg.AdmitPerSecond),
		hosts:     map[fleet.HostID]*host{}, jobs: map[job.ID]*knownJob{}, capsules: map[[32]byte]*knownJob{},
		streams: map[string]*stream{}, owners: map[job.ShardID]owner{}, shards: map[string]uint16{},
		tasks:   newBudget(int64(cfg.MaxTasks), int64(cfg.MaxTasks)/(2*mostShares)),
		blobs:   newBlobs(cfg.BlobBytes),
		views:   map[uint64]*view{},
		weight:  weight{limit: mostPayloadBytes},
		starved: map[string]map[*session]struct{}{}, thirsty: map[string]map[*stream]struct{}{},
	}
	planted.Do("spool id kept over a restart", func() { h.spool = "the same" })
	h.blobs.ledger = h.ledger
	h.gauges(t)
	return h
}

// setBundle takes what was published; version 0: nothing. Hosts are offered it
// with their next reply.
func (h *hub) setBundle(b bundle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bundle = b
}

// shutDown ends all sessions and streams; no new ones are taken.
func (h *hub) shutDown() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, host := range h.hosts {
		if host.session != nil {
			host.session.end(errShutdown(h.admission.move(h.sessions)))
		}
	}
	for _, st := range h.streams {
		st.end(errShutdown(spread(atShutdown)))
	}
}

// sweep drops what nobody needs any more. It is called every interval.
func (h *hub) sweep(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, host := range h.hosts {
		host.sweep(now)
	}
	for _, st := range h.streams {
		st.tellAllAgain(now)
	}
	for _, j := range h.jobs {
		if j.records == 0 && now.Sub(j.used) >= idleJob {
			h.dropJob(j)
		}
	}
	h.answerAnyway()
	h.relieve()
}
