package aggregator

import (
	"fmt"
	"slices"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// idleJob is how long a payload is kept that no release and no report needs; the
// scheduler sends it again when it is asked to.
const idleJob = 30 * time.Second

// knownJob is a job of which something is held. The hub's mutex guards it.
type knownJob struct {
	id      job.ID
	records int       // of hosts
	used    time.Time // when a payload or dispatch came, or the last record went

	// What follows is known once a payload has come.
	capsule *typesv1.Envelope // shared by all commands; nil: no payload
	saved   bool              // the capsule is on the disk
	ping    bool              // nothing of it is
	digest  [32]byte
	pool    string
	class   string
	until   time.Time // E: a release is not waited for any longer
	ranges  []*targetRange
	bytes   int64 // that it is counted for
}

// targetRange is a run of the target list, verified against the signed root.
type targetRange struct {
	first   uint32
	targets []job.Target
	tree    *capsule.RangeTree
	proof   capsule.RangeProof
	saved   bool // it is on the disk
	onDisk  bool // it, or one before it under its key, may be
}

// inline reports whether the capsule rides with commands.
func (j *knownJob) inline() bool { return len(j.capsule.GetPayload()) <= wire.MaxCapsuleInline }

// target finds an ordinal in what is known of the list.
func (j *knownJob) target(ordinal uint32) (job.Target, bool) {
	r := j.run(ordinal)
	if r == nil {
		return job.Target{}, false
	}
	return r.targets[ordinal-r.first], true
}

// run is the newest known run that an ordinal is in; nil: there is none.
func (j *knownJob) run(ordinal uint32) *targetRange {
	for _, r := range slices.Backward(j.ranges) {
		if ordinal >= r.first && ordinal-r.first < uint32(len(r.targets)) {
			return r
		}
	}
	return nil
}

// payload is one that was verified, and is not in the hub yet.
type payload struct {
	envelope *typesv1.Envelope
	digest   [32]byte
	signed   capsule.Payload
	run      *targetRange
}

// verifyPayload reads a payload and checks that its targets are those of the
// signed list. Who signed is for the hosts to judge. It takes time in proportion
// to the targets.
func verifyPayload(id job.ID, in *meshv1.Payload) (*payload, error) {
	p, err := wire.PayloadFromProto(in)
	if err != nil {
		return nil, err
	}
	signed, err := capsule.Open(p.Capsule)
	if err != nil {
		return nil, err
	}
	if signed.JobID != id {
		return nil, fmt.Errorf("%w: the capsule is that of job %s", wire.ErrMessage, signed.JobID)
	}
	if p.Proof.Size != signed.Count {
		return nil, fmt.Errorf("%w: the proof is for a list of %d, and %d are signed", capsule.ErrProof, p.Proof.Size, signed.Count)
	}
	leaves := make([]capsule.Hash, len(p.Targets))
	for i, t := range p.Targets {
		leaves[i] = capsule.LeafHash(t.Host, t.Incarnation)
	}
	tree, err := capsule.NewRangeTree(leaves, p.Proof)
	if err != nil {
		return nil, err
	}
	if tree.Root() != signed.Root {
		return nil, fmt.Errorf("%w: targets %d..%d are not those of the signed list", capsule.ErrProof, p.Proof.First, p.Proof.First+p.Proof.Count-1)
	}
	return &payload{
		envelope: in.GetCapsule(), digest: p.Capsule.Digest(), signed: signed,
		run: &targetRange{first: uint32(p.Proof.First), targets: p.Targets, tree: tree, proof: p.Proof}, // at most job.MaxTargets
	}, nil
}

// job is what is held of a job, made if need be.
func (h *hub) job(id job.ID) *knownJob {
	j := h.jobs[id]
	if j == nil {
		j = &knownJob{id: id, used: time.Now()}
		h.jobs[id] = j
	}
	return j
}

// learn adds a payload to what is held. The error says that there is no room, or
// that another capsule of the same id is held.
func (h *hub) learn(id job.ID, pool string, p *payload) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.roomFor(id, p); err != nil {
		return err
	}
	return h.hold(id, pool, p)
}

func (h *hub) hold(id job.ID, pool string, p *payload) error {
	j := h.job(id)
	j.used = time.Now()
	defer h.weigh(j)
	if j.capsule != nil && j.digest != p.digest {
		return fmt.Errorf("%w: another capsule of job %s is held", wire.ErrOtherBody, j.id)
	}
	if j.capsule == nil {
		h.payloads++
		j.capsule, j.digest = p.envelope, p.digest
		j.pool, j.class, j.until = pool, p.signed.Class, p.signed.E()
		j.ping = p.signed.Command.Kind == capsule.Ping
		if !j.inline() {
			h.capsules[j.digest] = j
		}
	}
	for i, r := range j.ranges {
		if r.first == p.run.first && len(r.targets) <= len(p.run.targets) {
			p.run.onDisk = p.run.onDisk || r.onDisk
			j.ranges[i] = p.run
			return nil
		}
	}
	if len(j.ranges) >= mostRanges {
		h.ledger.forgetRun(id, j.ranges[0])
		j.ranges = j.ranges[1:] // its releases ask for the payload again
	}
	j.ranges = append(j.ranges, p.run)
	return nil
}

func (h *hub) dropJob(j *knownJob) {
	delete(h.jobs, j.id)
	h.weight.held -= j.bytes
	h.ledger.forgetPayload(j)
	if j.capsule != nil {
		h.payloads--
	}
	if h.capsules[j.digest] == j {
		delete(h.capsules, j.digest)
	}
}
