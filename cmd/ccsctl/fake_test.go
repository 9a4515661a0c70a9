package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// fake is a replica of access with a fleet of eight hosts, whose commands end
// as the test says.
type fake struct {
	accessv1.UnimplementedAccessServiceServer

	fail    func(method string) error        // before anything else; may be nil
	outcome func(host string) outcome        // of a command; nil: all succeed
	hang    bool                             // jobs do not end
	halfway func()                           // when half of a job is done; may be nil
	rows    func() []fleet.Host              // the host table; nil: fleetOf
	follows []*accessv1.FollowOutputResponse // what is sent of an output that is followed
	asked   *accessv1.FollowOutputRequest    // the last
	lie     func(*typesv1.Task)              // what the servers make of what hosts have signed; may be nil

	mu      sync.Mutex
	jobs    []*fakeJob
	blobs   map[[32]byte][]byte
	fetched int // outputs
}

// outcome is how a command ends on a host.
type outcome struct {
	state          task.State
	reason         task.Reason
	code, signal   int32
	stdout, stderr string
	cut, tail      uint64
	message        string
}

// fakeJob is a job that was submitted.
type fakeJob struct {
	job     *typesv1.Job
	tasks   []*typesv1.Task
	payload capsule.Payload
	rollout *fakeRollout // nil: it goes to all hosts at once
}

func (f *fake) fleet() []fleet.Host {
	if f.rows != nil {
		return f.rows()
	}
	return fleetOf()
}

func (f *fake) step(method string) error {
	if f.fail != nil {
		return f.fail(method)
	}
	return nil
}

// fleetOf is h1 to h4 in bj01 and h5 to h8 in sh01.
func fleetOf() (all []fleet.Host) {
	for i := range 8 {
		h := fleet.Host{
			ID: fleet.HostID(fmt.Sprintf("h%d", i+1)), Room: "bj01", Address: fmt.Sprintf("10.0.0.%d", i+1),
			Labels: map[string]string{"app": []string{"web", "api"}[i%2]}, Facts: map[string]string{"os": "linux"},
			Incarnation: fleet.Incarnation{byte(i + 1)}, KeyState: fleet.KeyAccepted,
		}
		h.PublicKey = [32]byte(hostKey(h.ID).Public().(ed25519.PublicKey))
		if i >= 4 {
			h.Room = "sh01"
		}
		all = append(all, h)
	}
	return all
}

func (f *fake) ResolveTargets(req *accessv1.ResolveTargetsRequest, out grpc.ServerStreamingServer[accessv1.ResolveTargetsResponse]) error {
	if err := f.step("ResolveTargets"); err != nil {
		return err
	}
	q := fleet.Query{Hosts: req.GetQuery().GetHosts(), All: req.GetQuery().GetAll()}
	if text := req.GetQuery().GetSelector(); text != "" {
		var err error
		if q.Selector, err = fleet.ParseSelector(text); err != nil {
			return wire.StatusError(err)
		}
	}
	table := fleet.NewTable()
	for _, h := range f.fleet() {
		if err := table.Upsert(h); err != nil {
			return err
		}
	}
	found, err := table.Select(q)
	if req.GetQuery().GetParentJobId() != "" {
		found, err = f.again(req.GetQuery())
	}
	if err != nil {
		return wire.StatusError(err)
	}
	resp := &accessv1.ResolveTargetsResponse{Resolution: &accessv1.Resolution{ResolvedAt: timestamppb.Now(), Count: uint64(len(found))}}
	for _, h := range found {
		resp.Rooms = append(resp.Rooms, &typesv1.RoomTargets{Room: string(h.Room), Targets: []*typesv1.Target{{HostId: string(h.ID), Incarnation: h.Incarnation[:]}}})
	}
	return out.Send(resp)
}

func (f *fake) SubmitJob(in grpc.ClientStreamingServer[accessv1.SubmitJobRequest, accessv1.SubmitJobResponse]) error {
	var j fakeJob
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if h := req.GetHeader(); h != nil {
			if j.payload, err = capsule.Open(wire.EnvelopeFromProto(h.GetCapsule())); err != nil {
				return wire.StatusError(err)
			}
			j.job = &typesv1.Job{Note: h.GetNote(), Rollout: h.GetRollout()}
		}
		for _, r := range req.GetRooms() {
			for _, t := range r.GetTargets() {
				j.tasks = append(j.tasks, &typesv1.Task{Ordinal: uint32(len(j.tasks)), HostId: t.GetHostId(), Incarnation: t.GetIncarnation(), Room: r.GetRoom()})
			}
		}
	}
	if err := f.step("SubmitJob"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accept(&j)
	return in.SendAndClose(&accessv1.SubmitJobResponse{Job: j.job})
}

// accept makes a job of a submission. The caller holds mu.
func (f *fake) accept(j *fakeJob) {
	p := j.payload
	j.job.Id, j.job.Pool, j.job.Class, j.job.Account = p.JobID.String(), p.Class, p.Class, p.Account
	j.job.Submitter, j.job.Selector, j.job.Targets = "ann", p.Selector, uint32(len(j.tasks))
	j.job.Command = map[capsule.Kind]string{capsule.Ping: "ping", capsule.Argv: strings.Join(p.Command.Argv, " "), capsule.Script: "script"}[p.Command.Kind]
	if umask := p.Command.Umask; umask != nil {
		j.job.Settings = fmt.Sprintf("umask %03o", *umask)
	}
	j.job.CreatedAt, j.job.StartBy = timestamppb.Now(), timestamppb.New(p.NotAfter)
	j.job.Revision, j.job.ControlRevision = 1, 1
	if p.Parent != (job.ID{}) {
		j.job.ParentId = p.Parent.String()
	}
	if !f.rollsOut(j) {
		for _, t := range j.tasks {
			t.Result, t.Since = wire.ResultToProto(task.Report{Attempt: 1, State: task.Running}, job.Detail{}), timestamppb.Now()
		}
		f.count(j)
	}
	f.jobs = append(f.jobs, j)
}

// end gives a task its outcome. The caller holds mu.
func (f *fake) end(j *fakeJob, t *typesv1.Task, at time.Time) {
	o := outcome{state: task.Succeeded}
	if f.outcome != nil && j.payload.Command.Kind != capsule.Ping {
		o = f.outcome(t.GetHostId())
	}
	t.Result = &typesv1.TaskResult{
		Status: &typesv1.TaskStatus{
			Attempt: 1, State: typesv1.TaskState(o.state), Reason: typesv1.Reason(o.reason), ExitCode: o.code, Signal: o.signal,
		},
		StartedAt: timestamppb.New(at.Add(-1500 * time.Millisecond)), EndedAt: timestamppb.New(at), Message: o.message,
	}
	j.job.Revision++
	t.Since, t.Revision = nil, j.job.GetRevision()
	for i, content := range []string{o.stdout, o.stderr} {
		stream := typesv1.Stream(i + 1)
		ref := &typesv1.OutputRef{Stream: stream, Size: uint64(len(content))}
		if content != "" {
			digest := sha256.Sum256([]byte(content))
			f.blobs[digest], ref.Digest = []byte(content), digest[:]
		}
		if stream == typesv1.Stream_STREAM_STDOUT {
			ref.Cut, ref.Tail = o.cut, o.tail
		}
		t.Result.Outputs = append(t.Result.Outputs, ref)
	}
	signTask(j.payload.JobID, t)
	if f.lie != nil {
		f.lie(t)
	}
}

// count brings the counts of a job up to date. The caller holds mu.
func (f *fake) count(j *fakeJob) {
	counts := map[typesv1.TaskState]uint32{}
	j.job.InFlight = 0
	for _, t := range j.tasks {
		state := t.GetResult().GetStatus().GetState()
		counts[state]++
		if state < typesv1.TaskState_TASK_STATE_UNKNOWN && state > typesv1.TaskState_TASK_STATE_PENDING {
			j.job.InFlight++
		}
	}
	f.rolls(j)
	j.job.Counts = nil
	for state, n := range counts {
		j.job.Counts = append(j.job.Counts, &typesv1.StateCount{State: state, Count: n})
	}
	if j.job.GetState() != typesv1.JobState_JOB_STATE_PAUSED {
		j.job.State = typesv1.JobState_JOB_STATE_RUNNING
	}
	if j.job.GetInFlight() == 0 && counts[typesv1.TaskState_TASK_STATE_PENDING] == 0 {
		j.job.State, j.job.DoneAt = typesv1.JobState_JOB_STATE_DONE, timestamppb.Now()
	}
}

func (f *fake) find(id string) (*fakeJob, error) {
	i := slices.IndexFunc(f.jobs, func(j *fakeJob) bool { return j.job.GetId() == id })
	if i < 0 {
		return nil, status.Errorf(codes.NotFound, "there is no job %s", id)
	}
	return f.jobs[i], nil
}

// WatchJob ends half of the tasks at once and the others a second later.
func (f *fake) WatchJob(req *accessv1.WatchJobRequest, out grpc.ServerStreamingServer[accessv1.WatchJobResponse]) error {
	if err := f.step("WatchJob"); err != nil {
		return err
	}
	if f.hang {
		<-out.Context().Done()
		return out.Context().Err()
	}
	f.mu.Lock()
	j, err := f.find(req.GetJobId())
	f.mu.Unlock()
	if err == nil && j.rollout != nil && j.rollout.steps {
		return f.watchRollout(j, out)
	}
	for half := range 2 {
		m, err := f.progress(req.GetJobId(), half)
		if err != nil {
			return err
		}
		if err := out.Send(m); err != nil || m.GetJob().GetState() == typesv1.JobState_JOB_STATE_DONE {
			return err
		}
		wait(time.Second)
		if f.halfway != nil {
			f.halfway()
			wait(time.Second) // so that it is heard before what follows
		}
	}
	return nil
}

func (f *fake) progress(id string, half int) (*accessv1.WatchJobResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(id)
	if err != nil {
		return nil, err
	}
	n := len(j.tasks) / 2
	tasks := j.tasks[:n]
	if half == 1 {
		tasks = j.tasks[n:]
	}
	for _, t := range tasks {
		f.end(j, t, time.Now())
	}
	f.count(j)
	return &accessv1.WatchJobResponse{Job: j.job, Tasks: tasks, CompleteRevision: j.job.GetRevision()}, nil
}

func (f *fake) GetJob(_ context.Context, req *accessv1.GetJobRequest) (*accessv1.GetJobResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	return &accessv1.GetJobResponse{Job: proto.CloneOf(j.job)}, nil
}

func (f *fake) CancelJob(_ context.Context, req *accessv1.CancelJobRequest) (*accessv1.CancelJobResponse, error) {
	if err := f.step("CancelJob"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	if expected := req.GetExpectedControlRevision(); expected != 0 && expected != j.job.GetControlRevision() {
		return nil, status.Errorf(codes.Aborted, "the job's control state has changed since it was read: read the job again and decide anew")
	}
	if j.job.GetState() == typesv1.JobState_JOB_STATE_DONE {
		return &accessv1.CancelJobResponse{Job: proto.CloneOf(j.job)}, nil
	}
	f.skipRest(j)
	f.count(j)
	if j.job.PauseCause = typesv1.PauseCause_PAUSE_CAUSE_UNSPECIFIED; j.job.GetState() != typesv1.JobState_JOB_STATE_DONE {
		j.job.State = typesv1.JobState_JOB_STATE_STOPPING
	}
	j.job.PausedAt = nil
	if j.job.Wish = typesv1.Wish_WISH_STOP; req.GetKeepRunning() {
		j.job.Wish = typesv1.Wish_WISH_WITHDRAW
	}
	j.job.ControlRevision++
	return &accessv1.CancelJobResponse{Job: proto.CloneOf(j.job)}, nil
}

func (f *fake) ListJobs(_ context.Context, req *accessv1.ListJobsRequest) (*accessv1.ListJobsResponse, error) {
	if err := f.step("ListJobs"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &accessv1.ListJobsResponse{}
	for _, j := range slices.Backward(f.jobs) {
		if (req.GetState() == 0 || req.GetState() == j.job.GetState()) && (req.GetSubmitter() == "" || req.GetSubmitter() == j.job.GetSubmitter()) {
			out.Jobs = append(out.Jobs, j.job)
		}
	}
	return out, nil
}

func (f *fake) ListTasks(_ context.Context, req *accessv1.ListTasksRequest) (*accessv1.ListTasksResponse, error) {
	if err := f.step("ListTasks"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	out := &accessv1.ListTasksResponse{}
	for _, t := range j.tasks {
		wanted := len(req.GetStates()) == 0 || slices.Contains(req.GetStates(), t.GetResult().GetStatus().GetState())
		if wanted && (req.GetHost() == "" || req.GetHost() == t.GetHostId()) {
			out.Tasks = append(out.Tasks, t)
		}
	}
	return out, nil
}

func (f *fake) GetOutput(req *accessv1.GetOutputRequest, out grpc.ServerStreamingServer[accessv1.GetOutputResponse]) error {
	if err := f.step("GetOutput"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetched++
	content, have := f.blobs[[32]byte(req.GetDigest())]
	if !have {
		return status.Errorf(codes.NotFound, "output %x of job %s: not found", req.GetDigest(), req.GetJobId())
	}
	return out.Send(&accessv1.GetOutputResponse{Content: content})
}

// FollowOutput sends what the test says, a message every second.
func (f *fake) FollowOutput(req *accessv1.FollowOutputRequest, out grpc.ServerStreamingServer[accessv1.FollowOutputResponse]) error {
	f.asked = proto.CloneOf(req)
	for _, m := range f.follows {
		if p := m.GetPiece(); p.GetContent() != nil && p.GetOffset() < req.GetOffset() {
			continue
		}
		if err := out.Send(m); err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
	err := f.step("FollowOutput")
	<-out.Context().Done() // it goes on
	return err
}
