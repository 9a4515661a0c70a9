package aggregator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// restoring is what was read from the spool, until all of it is known.
type restoring struct {
	hub   *hub
	ctx   context.Context //nolint:containedctx // of one call, for the log
	now   time.Time
	jobs  map[job.ID]keptJob
	runs  map[job.ID][]*meshv1.Payload
	blobs map[[32]byte][]byte
	tasks []restoredTask
	left  int // entries that could not be read
}

type restoredTask struct {
	id   job.ID
	inc  fleet.Incarnation
	host fleet.HostID
	keptTask
}

// restore makes the hub what the process before it had promised to be. Hosts
// count as away since now. An entry that cannot be read, because a newer program
// wrote it, is left out: then hosts say everything again.
func (h *hub) restore(ctx context.Context, spool Spool) error {
	re := &restoring{
		hub: h, ctx: ctx, now: time.Now(),
		jobs: map[job.ID]keptJob{}, runs: map[job.ID][]*meshv1.Payload{}, blobs: map[[32]byte][]byte{},
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ledger.spool, h.spool = spool, spool.ID()
	if err := spool.All(re.entry); err != nil {
		return fmt.Errorf("cannot read the room spool: %w", err)
	}
	for id := range re.jobs {
		re.learn(id)
	}
	for _, t := range re.tasks {
		re.task(t)
	}
	for digest := range re.blobs {
		if h.blobs.by[digest] == nil { // its report is gone
			h.ledger.gone(blobKey(digest))
		}
	}
	if re.left > 0 {
		h.log.ErrorContext(ctx, "entries of the room spool cannot be read and are left out; hosts say everything again", "entries", re.left)
		h.forgot = true
		for _, ho := range h.hosts {
			ho.lossy = true
		}
	}
	for _, ho := range h.hosts {
		ho.marked()
	}
	return nil
}

// entry sorts one entry. What cannot be read is deleted.
func (re *restoring) entry(key string, value []byte) error {
	err := re.read(key, value)
	if err != nil {
		re.hub.log.WarnContext(re.ctx, "entry of the room spool is left out", "kind", key[:1], "error", err)
		re.left++
		re.hub.ledger.gone(key)
	}
	return nil
}

func (re *restoring) read(key string, value []byte) (err error) {
	kind, rest := key[0], key[1:]
	var id job.ID
	copy(id[:], rest)
	switch {
	case kind == keptTasks:
		var t restoredTask
		if t.id, t.inc, t.host, err = readTaskKey(rest); err == nil {
			t.keptTask, err = readKeptTask(value)
		}
		if err == nil {
			re.tasks = append(re.tasks, t)
		}
	case kind == keptJobs && len(rest) == len(id):
		var k keptJob
		if k, err = readKeptJob(value); err == nil {
			re.jobs[id] = k
		}
	case kind == keptRuns && len(rest) == len(id)+4:
		var run *meshv1.Payload
		if run, err = readKeptRun(value); err == nil {
			re.runs[id] = append(re.runs[id], run)
		}
	case kind == keptBlobs && len(rest) == sha256.Size && len(value) > 0 && value[0] == keptVersion:
		re.blobs[[32]byte([]byte(rest))] = bytes.Clone(value[1:])
	case kind == keptHosts:
		re.mark(fleet.HostID(rest))
	default:
		return errKept
	}
	return err
}

// mark notes that a host has to say everything again, or those that are not known.
func (re *restoring) mark(id fleet.HostID) {
	if id == "" {
		re.hub.forgot = true
		return
	}
	ho := re.host(id)
	ho.lossy, ho.saved = true, true
}

func (re *restoring) host(id fleet.HostID) *host {
	ho := re.hub.host(id)
	if ho.last.Host == "" {
		ho.last.Host, ho.last.Since = id, re.now
	}
	return ho
}

// learn holds a job again. Its targets are checked against what was signed, as if
// they had just come; a job of which something cannot be read is dispatched again.
func (re *restoring) learn(id job.ID) {
	h, kept := re.hub, re.jobs[id]
	for _, run := range re.runs[id] {
		p, err := verifyPayload(id, &meshv1.Payload{Capsule: kept.capsule, Targets: run.GetTargets(), Proof: run.GetProof()})
		if err == nil {
			p.run.saved, p.run.onDisk = true, true
			err = h.hold(id, kept.pool, p)
		}
		if err != nil {
			h.log.WarnContext(re.ctx, "job of the room spool is left out", "job", id, "error", err)
			continue
		}
		h.jobs[id].saved = true
	}
	if h.jobs[id] == nil {
		h.ledger.gone(jobKey(id))
	}
}

// task holds a record again: a release is on its way, a report waits for its
// owner.
func (re *restoring) task(t restoredTask) {
	h := re.hub
	j, ho := h.job(t.id), re.host(t.host)
	class := j.class
	if t.said != nil {
		class = t.said.GetClass()
	}
	r := ho.hold(j, t.inc, class)
	r.onDisk = true
	r.attempt = t.attempt
	if t.said != nil {
		re.said(r, t)
	}
	if t.release != nil {
		if run := j.run(t.release.Ordinal); run != nil && re.now.Before(j.until) {
			r.ordinal, r.attempt, r.run, r.want = t.release.Ordinal, t.release.Attempt, run, t.release.Want
			r.send()
		}
	}
	if t.wish != 0 {
		r.tell(t.wish)
	}
	r.tidy()
}

// said holds a report again, with its outputs.
func (re *restoring) said(r *record, t restoredTask) {
	in, err := read(t.said)
	if err != nil {
		re.left++
		return
	}
	r.setSaid(in.said, in.seen, in.said.GetPastW())
	r.size = in.size
	for _, digest := range in.refs {
		if content, kept := re.blobs[digest]; kept && re.hub.blobs.by[digest] == nil {
			if in.inline == nil {
				in.inline = map[[32]byte][]byte{}
			}
			in.inline[digest] = content
		}
	}
	r.attach(&in)
	for _, digest := range r.refs {
		if _, kept := re.blobs[digest]; kept {
			re.hub.blobs.by[digest].saved = true
		}
	}
	if len(r.missing) > 0 {
		r.host.lossy = true
	}
}
