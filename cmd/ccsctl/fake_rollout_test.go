package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// fakeRollout is how far a job has come that does not go to all hosts at once.
// What it takes from the rollout is what a person sees of it; the rules themselves
// are core/job's, and tried there.
type fakeRollout struct {
	job.Rollout
	ends      []int // targets up to the end of each batch
	forgiven  int
	answered  map[string]string // request id → request
	pausedAt  time.Time
	gate      int // targets; 0: none
	batchGate int
	steps     bool // it goes on second by second
}

// rollsOut begins a job that has batches, pause points or a budget; false: it has
// none of these.
func (f *fake) rollsOut(j *fakeJob) bool {
	r := wire.RolloutFromProto(j.job.GetRollout())
	if len(r.Batches)+len(r.PauseAfter) == 0 && !r.MaxFailures.Limited {
		return false
	}
	j.rollout = &fakeRollout{Rollout: r, steps: true, answered: map[string]string{}, gate: beyond(r.PauseAfter, 0), batchGate: beyond(r.PauseBatches, 0)}
	var sizes []client.Amount
	for _, b := range r.Batches {
		sizes = append(sizes, client.Amount(b))
	}
	for _, size := range batchSizes(sizes, len(j.tasks)) {
		end := size
		if n := len(j.rollout.ends); n > 0 {
			end += j.rollout.ends[n-1]
		}
		j.rollout.ends = append(j.rollout.ends, end)
	}
	j.job.Tolerates, j.job.Batch = uint32(r.MaxFailures.Of(len(j.tasks))), 1
	for _, t := range j.tasks {
		t.Result = wire.ResultToProto(task.Report{State: task.Pending}, job.Detail{})
	}
	f.count(j)
	f.releaseMore(j)
	return true
}

// turn ends what runs, and then the job pauses, or goes to the next hosts. The
// caller holds mu.
func (f *fake) turn(j *fakeJob) {
	r := j.rollout
	for _, t := range j.tasks[:j.job.GetReleased()] {
		if t.GetResult().GetStatus().GetState() < typesv1.TaskState_TASK_STATE_UNKNOWN {
			f.end(j, t, time.Now())
		}
	}
	f.count(j)
	released := int(j.job.GetReleased())
	switch {
	case j.job.GetState() != typesv1.JobState_JOB_STATE_RUNNING:
	case r.MaxFailures.Limited && int(j.job.GetBad()) > int(j.job.GetTolerates()):
		if r.FailureAction == job.AbortOnFailure {
			f.skipRest(j)
			f.count(j)
			return
		}
		f.pauseAs(j, typesv1.PauseCause_PAUSE_CAUSE_BUDGET)
	case r.gate > 0 && released >= r.gate:
		f.pauseAs(j, typesv1.PauseCause_PAUSE_CAUSE_POINT)
	case r.batchGate > 0 && int(j.job.GetBatch()) >= r.batchGate && released == r.ends[j.job.GetBatch()-1]:
		f.pauseAs(j, typesv1.PauseCause_PAUSE_CAUSE_POINT)
	default:
		f.releaseMore(j)
	}
}

func (f *fake) pauseAs(j *fakeJob, why typesv1.PauseCause) {
	j.job.State, j.job.PauseCause = typesv1.JobState_JOB_STATE_PAUSED, why
	j.job.ControlRevision++
	j.rollout.pausedAt = time.Now()
	j.job.PausedAt = timestamppb.New(j.rollout.pausedAt)
}

// releaseMore goes to the next hosts: to the end of the batch, or a pause point.
func (f *fake) releaseMore(j *fakeJob) {
	r, released := j.rollout, int(j.job.GetReleased())
	end := len(j.tasks)
	if len(r.ends) > 0 {
		if released == r.ends[j.job.GetBatch()-1] {
			j.job.Batch++
		}
		end = r.ends[j.job.GetBatch()-1]
	}
	if r.gate > 0 {
		end = min(end, r.gate)
	}
	if r.MaxFailures.Limited {
		end = min(end, released+int(j.job.GetTolerates())-int(j.job.GetBad())+1)
	}
	for _, t := range j.tasks[released:end] {
		t.Result, t.Since = wire.ResultToProto(task.Report{Attempt: 1, State: task.Running}, job.Detail{}), timestamppb.Now()
	}
	j.job.Released = uint32(end)
	f.count(j)
}

// skipRest settles what was never released. The caller holds mu.
func (f *fake) skipRest(j *fakeJob) {
	for _, t := range j.tasks {
		if t.GetResult().GetStatus().GetState() == typesv1.TaskState_TASK_STATE_PENDING {
			t.Result = wire.ResultToProto(task.Report{State: task.Skipped, Exit: task.Exit{Reason: task.JobCanceled}}, job.Detail{})
		}
	}
}

// rolls brings what a job shows of its rollout up to date. The caller holds mu.
func (f *fake) rolls(j *fakeJob) {
	r := j.rollout
	if r == nil {
		j.job.Released, j.job.Batch, j.job.Batches = uint32(len(j.tasks)), 1, 1
		return
	}
	j.job.Batches = uint32(max(1, len(r.ends)))
	j.job.NextPauseAfter, j.job.NextPauseAfterBatch = uint32(r.gate), uint32(r.batchGate)
	bad := -r.forgiven
	for _, t := range j.tasks {
		if s := t.GetResult().GetStatus().GetState(); task.State(s).Bad() {
			bad++
		}
	}
	if r.MaxFailures.Limited {
		j.job.Bad = uint32(max(bad, 0))
	}
}

// control looks at a request to control a job before it has an effect; done: it
// had it. The caller holds mu.
func (f *fake) control(j *fakeJob, id string, expected uint64, request string) (done bool, err error) {
	if j.rollout == nil {
		j.rollout = &fakeRollout{answered: map[string]string{}}
	}
	if before, again := j.rollout.answered[id]; again {
		if before != request {
			return false, wire.StatusError(job.ErrRequestReused)
		}
		return true, nil
	}
	if expected != 0 && expected != j.job.GetControlRevision() {
		return false, wire.StatusError(job.ErrControlRevision)
	}
	j.rollout.answered[id] = request
	return false, nil
}

func (f *fake) PauseJob(_ context.Context, req *accessv1.PauseJobRequest) (*accessv1.PauseJobResponse, error) {
	if err := f.step("PauseJob"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	done, err := f.control(j, req.GetRequestId(), req.GetExpectedControlRevision(), "pause")
	if err == nil && !done && j.job.GetState() == typesv1.JobState_JOB_STATE_RUNNING {
		f.pauseAs(j, typesv1.PauseCause_PAUSE_CAUSE_USER)
	}
	return &accessv1.PauseJobResponse{Job: proto.CloneOf(j.job)}, err
}

func (f *fake) ResumeJob(_ context.Context, req *accessv1.ResumeJobRequest) (*accessv1.ResumeJobResponse, error) {
	if err := f.step("ResumeJob"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	done, err := f.control(j, req.GetRequestId(), req.GetExpectedControlRevision(), "resume "+req.GetUntil().String()+sprint(req.GetTargets()))
	if err == nil && !done {
		err = f.goOn(j, req)
	}
	return &accessv1.ResumeJobResponse{Job: proto.CloneOf(j.job)}, err
}

func (f *fake) goOn(j *fakeJob, req *accessv1.ResumeJobRequest) error {
	if j.job.GetState() != typesv1.JobState_JOB_STATE_PAUSED {
		delete(j.rollout.answered, req.GetRequestId())
		return wire.StatusError(job.ErrNotPaused)
	}
	r, released := j.rollout, int(j.job.GetReleased())
	if j.job.GetPauseCause() == typesv1.PauseCause_PAUSE_CAUSE_BUDGET {
		r.forgiven += int(j.job.GetBad())
	}
	if r.gate <= released {
		r.gate = beyond(r.PauseAfter, released)
	}
	if int(j.job.GetBatch()) >= r.batchGate {
		r.batchGate = beyond(r.PauseBatches, int(j.job.GetBatch()))
	}
	switch req.GetUntil() {
	case typesv1.ResumeUntil_RESUME_UNTIL_END, typesv1.ResumeUntil_RESUME_UNTIL_UNSPECIFIED:
		r.gate, r.batchGate = 0, 0
	case typesv1.ResumeUntil_RESUME_UNTIL_NUMBER:
		r.gate = released + int(req.GetTargets())
	case typesv1.ResumeUntil_RESUME_UNTIL_NEXT:
	}
	j.job.State, j.job.PauseCause, j.job.PausedAt = typesv1.JobState_JOB_STATE_RUNNING, typesv1.PauseCause_PAUSE_CAUSE_UNSPECIFIED, nil
	j.job.ControlRevision++
	f.releaseMore(j)
	return nil
}

// watchRollout turns the job every second, and ends with it.
func (f *fake) watchRollout(j *fakeJob, out grpc.ServerStreamingServer[accessv1.WatchJobResponse]) error {
	for {
		f.mu.Lock()
		m := proto.CloneOf(&accessv1.WatchJobResponse{Job: j.job, Tasks: j.tasks, CompleteRevision: j.job.GetRevision()})
		done := j.job.GetState() == typesv1.JobState_JOB_STATE_DONE
		f.mu.Unlock()
		if err := out.Send(m); err != nil || done {
			return err
		}
		select {
		case <-out.Context().Done():
			return out.Context().Err()
		case <-time.After(time.Second):
		}
		f.mu.Lock()
		f.turn(j)
		f.mu.Unlock()
	}
}
