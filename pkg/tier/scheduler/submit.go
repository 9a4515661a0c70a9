package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/failpoint"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// SubmitJob accepts a job. Nothing of it is kept before every check has passed,
// and the answer is given when it is durable.
func (s *Scheduler) SubmitJob(in submitStream) error {
	ctx := in.Context()
	coming, cancel := context.WithTimeoutCause(ctx, s.cfg.SubmitBudget, errStalled)
	defer cancel()
	messages := receiving(in, &s.receivers)
	sub, err := s.begin(coming, messages)
	if err != nil {
		return err
	}
	sub.describe(trace.SpanFromContext(ctx))
	accepted, err := s.submit(ctx, coming, messages, sub)
	if err != nil && sub.mayExist(err) {
		if known, ok := s.existing(ctx, sub); ok {
			accepted, err = known.Accepted, known.err
		}
	}
	if err != nil {
		return err
	}
	if !accepted.Existed {
		s.log.InfoContext(ctx, "job is accepted", "job", sub.payload.JobID, "submitter", sub.caller, "class", sub.payload.Class, "targets", sub.payload.Count)
	}
	return in.SendAndClose(&schedulerv1.SubmitJobResponse{Response: &accessv1.SubmitJobResponse{
		Job: jobToProto(accepted.Spec, accepted.Row), Existed: accepted.Existed,
	}})
}

// submission is a job that is coming in.
type submission struct {
	header   *accessv1.SubmitJobHeader
	caller   string
	envelope capsule.Envelope
	payload  capsule.Payload
	rollout  job.Rollout
	digest   [32]byte
	first    *accessv1.SubmitJobRequest
}

// describe says in the span of a submission what it is.
func (sub *submission) describe(span trace.Span) {
	if span.IsRecording() {
		span.SetAttributes(obs.AttrJob.String(sub.payload.JobID.String()),
			obs.AttrClass.String(sub.payload.Class), obs.AttrTargets.Int64(int64(sub.payload.Count)))
	}
}

// begin reads the header, and says whether the job is one for this shard.
func (s *Scheduler) begin(ctx context.Context, in *incoming) (*submission, error) {
	msg, err := in.next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	sub := &submission{first: msg.GetRequest(), header: msg.GetRequest().GetHeader(), caller: msg.GetCaller().GetUser()}
	switch {
	case sub.header == nil:
		return nil, fmt.Errorf("%w: the first message of a submission must have the header", wire.ErrMessage)
	case sub.caller == "":
		return nil, fmt.Errorf("%w: the submission names no caller", wire.ErrMessage)
	}
	sub.envelope = wire.EnvelopeFromProto(sub.header.GetCapsule())
	if sub.payload, err = capsule.Open(sub.envelope); err != nil {
		return nil, fmt.Errorf("cannot take the capsule: %w", err)
	}
	sub.rollout = wire.RolloutFromProto(sub.header.GetRollout())
	sub.digest = bodyDigest(sub.envelope.Payload, sub.rollout)
	pool, all := s.classes.of(sub.payload.Class)
	switch {
	case len(all) == 0: // it owned shards before it could read the classes: etcd was away meanwhile
		return nil, &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: this scheduler does not know the classes of jobs yet; try again", wire.ErrUnavailable)}
	case pool == "":
		return nil, fmt.Errorf("%w: there is no class %q: choose one of %s", wire.ErrInvalid, sub.payload.Class, strings.Join(all, ", "))
	case pool != s.cfg.Pool:
		n := job.ShardOf(sub.payload.JobID, uint16(s.cfg.Shards))
		return nil, &wire.NotOwnerError{Shard: job.ShardID{Pool: pool, N: n}}
	}
	return sub, nil
}

// submit checks a submission, whose list is to come before coming ends, and
// hands it to its shard.
func (s *Scheduler) submit(ctx, coming context.Context, in *incoming, sub *submission) (shard.Accepted, error) {
	id := sub.payload.JobID
	if !s.owned(id) {
		return shard.Accepted{}, &wire.NotOwnerError{Shard: s.shardOf(id).ID()}
	}
	if err := s.admitsJobs(); err != nil {
		return shard.Accepted{}, err
	}
	now := time.Now()
	spec := specOf(sub.payload, sub.rollout, s.cfg.Pool, sub.caller, sub.header.GetNote(), now)
	if err := s.checkHeader(sub, now); err != nil {
		return shard.Accepted{}, err
	}
	failpoint.At("scheduler.submit", sub.header.GetNote)
	list, err := s.intake.enter(sub.caller, sub.payload.Count)
	if err != nil {
		return shard.Accepted{}, err
	}
	defer list.leave()
	targets, err := receiveTargets(coming, in, sub, list)
	if err != nil {
		return shard.Accepted{}, err
	}
	tree, err := s.checkTargets(sub, spec, targets, now)
	if err != nil {
		return shard.Accepted{}, err
	}
	envelope, err := sub.envelope.JSON()
	if err != nil {
		return shard.Accepted{}, err
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	accepted, err := s.shardOf(id).Accept(ctx, shard.Submission{
		Create: store.Create{Digest: sub.digest, Spec: spec, Capsule: envelope, Targets: targets, KeepUntil: keepUntil(spec)},
		Tree:   tree, Trace: trace.SpanContextFromContext(ctx),
	})
	return accepted, s.of(id, err)
}

// checkHeader checks what can be known before the list is read.
func (s *Scheduler) checkHeader(sub *submission, now time.Time) error {
	if text := sub.payload.Selector; text != "" {
		if _, err := fleet.ParseSelector(text); err != nil {
			return err
		}
	}
	resolution := sub.header.GetResolution()
	at := wire.TimeFromProto(resolution.GetResolvedAt())
	switch {
	case at.IsZero():
		return fmt.Errorf("%w: the submission does not say when its targets were resolved; resolve them and send the resolution with the job", wire.ErrInvalid)
	case resolution.GetCount() != sub.payload.Count:
		return fmt.Errorf("%w: the capsule is signed for %d targets, the resolution is of %d; resolve the targets again and sign that list",
			wire.ErrInvalid, sub.payload.Count, resolution.GetCount())
	case at.After(now.Add(capsule.ClockSkew)):
		return fmt.Errorf("%w: the targets were resolved at %s, and it is %s here; resolve them again", wire.ErrInvalid, stamp(at), stamp(now))
	case now.Sub(at) > s.cfg.ResolutionMaxAge:
		return fmt.Errorf("%w: the targets were resolved at %s, more than %s ago; resolve them again, sign, and submit under a new id",
			wire.ErrStale, stamp(at), s.cfg.ResolutionMaxAge)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// receiveTargets reads the list, of which no more is taken than was signed.
func receiveTargets(ctx context.Context, in *incoming, sub *submission, weight *coming) (*job.Targets, error) {
	var list job.TargetsBuilder
	taken := uint64(0)
	for msg := sub.first; ; {
		more := 0
		for _, room := range msg.GetRooms() {
			more += len(room.GetTargets())
		}
		if taken += uint64(more); taken > sub.payload.Count {
			return nil, fmt.Errorf("%w: the list has more than the %d targets that are signed; send it as it was resolved", wire.ErrInvalid, sub.payload.Count)
		}
		if err := weight.grow(ctx, more); err != nil {
			return nil, err
		}
		if err := wire.AddTargets(&list, msg.GetRooms()); err != nil {
			return nil, invalid(err)
		}
		next, err := in.next(ctx)
		if errors.Is(err, io.EOF) {
			targets, err := list.Build()
			return targets, invalid(err)
		}
		if err != nil {
			return nil, err
		}
		msg = next.GetRequest()
	}
}

// checkTargets checks the job as a whole: the list against the signed root, the
// spec against its rules, the hosts against the table.
func (s *Scheduler) checkTargets(sub *submission, spec job.Spec, targets *job.Targets, now time.Time) (*capsule.RangeTree, error) {
	if err := job.Validate(spec, targets, now); err != nil {
		return nil, invalid(err)
	}
	if got := uint64(targets.Len()); got != sub.payload.Count {
		return nil, fmt.Errorf("%w: the list has %d targets, %d are signed; send it as it was resolved", wire.ErrInvalid, got, sub.payload.Count)
	}
	if err := s.hosts.Check(targets); err != nil {
		return nil, err
	}
	tree, err := shard.Tree(targets)
	if err != nil {
		return nil, invalid(err)
	}
	if tree.Root() != sub.payload.Root {
		return nil, fmt.Errorf("%w: the list is not the one whose root is signed; sign and send it as it was resolved", wire.ErrInvalid)
	}
	return tree, nil
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", wire.ErrInvalid, err)
}

// mayExist reports whether the job may have been accepted before, although this
// time it was refused: what was right then may be late now.
func (*submission) mayExist(err error) bool {
	var notOwner *wire.NotOwnerError
	var retry *wire.RetryAfter
	return !errors.As(err, &notOwner) && !errors.As(err, &retry) && !errors.Is(err, shard.ErrOtherBody)
}

type existing struct {
	shard.Accepted
	err error
}

// existing is the job that has the id already, if there is one: the same body
// again is the same job, and another body is told before anything else is.
func (s *Scheduler) existing(ctx context.Context, sub *submission) (existing, bool) {
	id := sub.payload.JobID
	known, err := s.store.LocateJob(ctx, id)
	switch {
	case err != nil:
		return existing{}, false
	case !known.Removed.IsZero():
		return existing{err: fmt.Errorf("%w; %w", &store.PurgedError{Identity: known}, shard.ErrUsed)}, true
	case known.Digest != sub.digest:
		return existing{err: fmt.Errorf("job %s: %w", id, shard.ErrOtherBody)}, true
	case known.Shard != s.shardOf(id).ID(): // its class has moved to another pool since
		return existing{err: &wire.NotOwnerError{Shard: known.Shard}}, true
	}
	found, err := s.look(ctx, id)
	found.Existed = true
	return existing{Accepted: found, err: err}, true
}

// owned reports whether the shard of a job is served here.
func (s *Scheduler) owned(id job.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.owns[uint32(job.ShardOf(id, uint16(s.cfg.Shards)))]
	return ok
}
