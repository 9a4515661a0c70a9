package access_test

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// scheduler answers with its own name, unless it is told otherwise.
type scheduler struct {
	schedulerv1.UnimplementedSchedulerServiceServer

	name   string
	pool   string                                                                                             // that it says a job is in; empty: its own
	fail   func(method string) error                                                                          // before anything else
	watch  func(*schedulerv1.WatchJobRequest, grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error // nil: one message
	submit func(n int) error                                                                                  // after each message

	mu      sync.Mutex
	calls   []string // methods, in order
	callers []string // SPIFFE ids
	traces  []string // traceparents of submissions
	targets int      // of all submissions
}

// notOwner is the answer of a scheduler that has lost the shard.
func notOwner(string) error { return ownedIn("standard") }

// ownedIn is the answer of a scheduler that knows the job's pool.
func ownedIn(pool string) error {
	return wire.StatusError(&wire.NotOwnerError{Shard: job.ShardID{Pool: pool}})
}

func (s *scheduler) called(method, caller string) error {
	s.mu.Lock()
	s.calls = append(s.calls, method)
	s.callers = append(s.callers, caller)
	s.mu.Unlock()
	if s.fail != nil {
		return s.fail(method)
	}
	return nil
}

func (s *scheduler) count(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.calls {
		if m == method {
			n++
		}
	}
	return n
}

func (s *scheduler) job(id string) *typesv1.Job {
	return &typesv1.Job{Id: jobNamed(id, s.name), Pool: s.pool}
}

func (s *scheduler) GetJob(_ context.Context, req *schedulerv1.GetJobRequest) (*schedulerv1.GetJobResponse, error) {
	if err := s.called("GetJob", req.GetCaller().GetSpiffeId()); err != nil {
		return nil, err
	}
	return &schedulerv1.GetJobResponse{Response: &accessv1.GetJobResponse{Job: s.job(req.GetRequest().GetJobId())}}, nil
}

func (s *scheduler) CancelJob(_ context.Context, req *schedulerv1.CancelJobRequest) (*schedulerv1.CancelJobResponse, error) {
	if err := s.called("CancelJob", req.GetCaller().GetUser()); err != nil {
		return nil, err
	}
	return &schedulerv1.CancelJobResponse{Response: &accessv1.CancelJobResponse{Job: s.job(req.GetRequest().GetJobId())}}, nil
}

func (s *scheduler) ListTasks(_ context.Context, req *schedulerv1.ListTasksRequest) (*schedulerv1.ListTasksResponse, error) {
	if err := s.called("ListTasks", req.GetCaller().GetUser()); err != nil {
		return nil, err
	}
	return &schedulerv1.ListTasksResponse{Response: &accessv1.ListTasksResponse{NextPageToken: s.name}}, nil
}

func (s *scheduler) ListJobs(_ context.Context, req *schedulerv1.ListJobsRequest) (*schedulerv1.ListJobsResponse, error) {
	if err := s.called("ListJobs", req.GetCaller().GetUser()); err != nil {
		return nil, err
	}
	return &schedulerv1.ListJobsResponse{Response: &accessv1.ListJobsResponse{NextPageToken: s.name}}, nil
}

func (s *scheduler) ListHosts(_ context.Context, req *schedulerv1.ListHostsRequest) (*schedulerv1.ListHostsResponse, error) {
	if err := s.called("ListHosts", req.GetCaller().GetUser()); err != nil {
		return nil, err
	}
	return &schedulerv1.ListHostsResponse{Response: &accessv1.ListHostsResponse{NextPageToken: s.name}}, nil
}

func (s *scheduler) GetHost(_ context.Context, req *schedulerv1.GetHostRequest) (*schedulerv1.GetHostResponse, error) {
	if err := s.called("GetHost", req.GetCaller().GetUser()); err != nil {
		return nil, err
	}
	return &schedulerv1.GetHostResponse{Response: &accessv1.GetHostResponse{Host: &typesv1.Host{Id: req.GetRequest().GetHost()}}}, nil
}

func (s *scheduler) LocateJob(context.Context, *schedulerv1.LocateJobRequest) (*schedulerv1.LocateJobResponse, error) {
	if err := s.called("LocateJob", ""); err != nil {
		return nil, err
	}
	return &schedulerv1.LocateJobResponse{Pool: s.pool}, nil
}

func (s *scheduler) ResolveTargets(req *schedulerv1.ResolveTargetsRequest, out grpc.ServerStreamingServer[schedulerv1.ResolveTargetsResponse]) error {
	if err := s.called("ResolveTargets", req.GetCaller().GetUser()); err != nil {
		return err
	}
	for _, count := range []uint64{1, 2} {
		if err := out.Send(&schedulerv1.ResolveTargetsResponse{Response: &accessv1.ResolveTargetsResponse{Resolution: &accessv1.Resolution{Count: count}}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *scheduler) GetOutput(req *schedulerv1.GetOutputRequest, out grpc.ServerStreamingServer[schedulerv1.GetOutputResponse]) error {
	if err := s.called("GetOutput", req.GetCaller().GetUser()); err != nil {
		return err
	}
	return out.Send(&schedulerv1.GetOutputResponse{Response: &accessv1.GetOutputResponse{Content: []byte(s.name)}})
}

// FollowOutput sends its name and goes on.
func (s *scheduler) FollowOutput(req *schedulerv1.FollowOutputRequest, out grpc.ServerStreamingServer[schedulerv1.FollowOutputResponse]) error {
	if err := s.called("FollowOutput", req.GetCaller().GetUser()); err != nil {
		return err
	}
	piece := &typesv1.OutputPiece{Offset: req.GetRequest().GetOffset(), Content: []byte(s.name)}
	if err := out.Send(&schedulerv1.FollowOutputResponse{Response: &accessv1.FollowOutputResponse{Piece: piece}}); err != nil {
		return err
	}
	<-out.Context().Done()
	return out.Context().Err()
}

func (s *scheduler) WatchJob(req *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
	if err := s.called("WatchJob", req.GetCaller().GetUser()); err != nil {
		return err
	}
	if s.watch != nil {
		return s.watch(req, out)
	}
	return out.Send(watched(s.job(req.GetRequest().GetJobId()), 1))
}

func watched(j *typesv1.Job, revision uint64) *schedulerv1.WatchJobResponse {
	return &schedulerv1.WatchJobResponse{Response: &accessv1.WatchJobResponse{Job: j, CompleteRevision: revision}}
}

func (s *scheduler) SubmitJob(in grpc.ClientStreamingServer[schedulerv1.SubmitJobRequest, schedulerv1.SubmitJobResponse]) error {
	for n := 1; ; n++ {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&schedulerv1.SubmitJobResponse{Response: &accessv1.SubmitJobResponse{Job: s.job("")}})
		}
		if err != nil {
			return err
		}
		if n == 1 {
			s.traced(in.Context())
			if err := s.called("SubmitJob", req.GetCaller().GetUser()); err != nil {
				return err
			}
		}
		s.took(req.GetRequest())
		if s.submit != nil {
			if err := s.submit(n); err != nil {
				return err
			}
		}
	}
}

func (s *scheduler) traced(ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = append(s.traces, md.Get("traceparent")...)
}

func (s *scheduler) took(req *accessv1.SubmitJobRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range req.GetRooms() {
		s.targets += len(r.GetTargets())
	}
}
