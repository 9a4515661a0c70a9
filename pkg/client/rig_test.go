package client_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// rig is a client and a replica of access that does as told.
type rig struct {
	*client.Client
	t      *testing.T
	key    ed25519.PrivateKey
	access *access
}

// inBubble runs a test with both; everything has ended when it returns.
func inBubble(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key, err := identity.NewKey()
		must(t, err)
		fake := &access{answers: map[string][]error{}, resolved: twoRooms()}
		server := grpc.NewServer()
		accessv1.RegisterAccessServiceServer(server, fake)
		lis := bufconn.Listen(64 << 10)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(lis) })
		conn, err := grpc.NewClient("passthrough:///access", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
		must(t, err)
		defer func() { // also after a Fatal
			_ = conn.Close()
			fake.watching.Wait()
			server.Stop()
			serving.Wait()
		}()
		test(&rig{t: t, Client: client.Over(conn, key), key: key, access: fake})
	})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantError checks the code of an error and that its text says something.
func wantError(tb testing.TB, err error, code client.Code, says string) {
	tb.Helper()
	if err == nil || client.CodeOf(err) != code || !contains(err.Error(), says) {
		tb.Errorf("got %v with code %d, want code %d and %q", err, client.CodeOf(err), code, says)
	}
}

// twoRooms is a resolution of three hosts.
func twoRooms() []*accessv1.ResolveTargetsResponse {
	return []*accessv1.ResolveTargetsResponse{
		{Resolution: &accessv1.Resolution{ResolvedAt: timestamppb.Now(), Count: 3}, Rooms: []*typesv1.RoomTargets{inRoom("bj01", "h1")}},
		{Rooms: []*typesv1.RoomTargets{inRoom("bj01", "h2"), inRoom("sh01", "h0")}},
	}
}

func inRoom(room string, hosts ...string) *typesv1.RoomTargets {
	out := &typesv1.RoomTargets{Room: room}
	for _, h := range hosts {
		out.Targets = append(out.Targets, &typesv1.Target{HostId: h, Incarnation: []byte(fmt.Sprintf("%016s", h))})
	}
	return out
}

// access is scripted: each call takes the next error of its method, if there is
// one, and otherwise answers.
type access struct {
	accessv1.UnimplementedAccessServiceServer

	resolved       []*accessv1.ResolveTargetsResponse
	watch          func(n int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error
	follows        []*accessv1.FollowOutputResponse // of an output that is followed
	followed       []*accessv1.FollowOutputRequest  // how it was asked for
	output         [][]byte                         // pieces
	betweenOutputs func()                           // after a try to get one has failed; may be nil
	job            *typesv1.Job
	host           *typesv1.Host
	task           func(n int) *typesv1.Task // of page n; nil: one of a host of that number
	summary        *accessv1.SummarizeJobResponse

	mu        sync.Mutex
	answers   map[string][]error
	calls     map[string]int
	submitted []submission
	cancels   []*accessv1.CancelJobRequest
	pauses    []*accessv1.PauseJobRequest
	resumes   []*accessv1.ResumeJobRequest
	queries   []*accessv1.TargetQuery
	lists     []any // list requests
	pages     int   // that lists have
	watching  sync.WaitGroup
}

// submission is what came with one try.
type submission struct {
	header *accessv1.SubmitJobHeader
	hosts  []string
	sizes  []int // targets in each message
}

func (a *access) next(method string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls == nil {
		a.calls = map[string]int{}
	}
	a.calls[method]++
	if queue := a.answers[method]; len(queue) > 0 {
		a.answers[method] = queue[1:]
		return queue[0]
	}
	return nil
}

func unavailable() error { return status.Error(codes.Unavailable, "no scheduler owns this part") }

func (a *access) ResolveTargets(req *accessv1.ResolveTargetsRequest, out grpc.ServerStreamingServer[accessv1.ResolveTargetsResponse]) error {
	a.mu.Lock()
	a.queries = append(a.queries, req.GetQuery())
	a.mu.Unlock()
	if err := a.next("ResolveTargets"); err != nil {
		return err
	}
	for _, m := range a.resolved {
		if err := out.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (a *access) SubmitJob(in grpc.ClientStreamingServer[accessv1.SubmitJobRequest, accessv1.SubmitJobResponse]) error {
	if err := a.next("SubmitJob begins"); err != nil {
		return err
	}
	var s submission
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if req.GetHeader() != nil {
			s.header = req.GetHeader()
		}
		n := 0
		for _, r := range req.GetRooms() {
			for _, t := range r.GetTargets() {
				s.hosts = append(s.hosts, r.GetRoom()+"/"+t.GetHostId())
				n++
			}
		}
		if req.GetHeader() == nil {
			s.sizes = append(s.sizes, n)
		}
	}
	a.mu.Lock()
	a.submitted = append(a.submitted, s)
	a.mu.Unlock()
	if err := a.next("SubmitJob"); err != nil {
		return err
	}
	return in.SendAndClose(&accessv1.SubmitJobResponse{Job: &typesv1.Job{Id: "j", State: typesv1.JobState_JOB_STATE_RUNNING, Targets: uint32(len(s.hosts))}})
}

func (a *access) GetJob(_ context.Context, req *accessv1.GetJobRequest) (*accessv1.GetJobResponse, error) {
	if a.job != nil {
		return &accessv1.GetJobResponse{Job: a.job}, a.next("GetJob")
	}
	return &accessv1.GetJobResponse{Job: &typesv1.Job{Id: req.GetJobId()}}, a.next("GetJob")
}

func (a *access) GetHost(_ context.Context, req *accessv1.GetHostRequest) (*accessv1.GetHostResponse, error) {
	if a.host != nil {
		return &accessv1.GetHostResponse{Host: a.host}, a.next("GetHost")
	}
	return &accessv1.GetHostResponse{Host: &typesv1.Host{Id: req.GetHost()}}, a.next("GetHost")
}

func (a *access) CancelJob(_ context.Context, req *accessv1.CancelJobRequest) (*accessv1.CancelJobResponse, error) {
	a.mu.Lock()
	a.cancels = append(a.cancels, req)
	a.mu.Unlock()
	return &accessv1.CancelJobResponse{Job: &typesv1.Job{Id: req.GetJobId(), State: typesv1.JobState_JOB_STATE_STOPPING}}, a.next("CancelJob")
}

func (a *access) PauseJob(_ context.Context, req *accessv1.PauseJobRequest) (*accessv1.PauseJobResponse, error) {
	a.mu.Lock()
	a.pauses = append(a.pauses, req)
	a.mu.Unlock()
	return &accessv1.PauseJobResponse{Job: &typesv1.Job{
		Id: req.GetJobId(), State: typesv1.JobState_JOB_STATE_PAUSED, PauseCause: typesv1.PauseCause_PAUSE_CAUSE_USER,
	}}, a.next("PauseJob")
}

func (a *access) ResumeJob(_ context.Context, req *accessv1.ResumeJobRequest) (*accessv1.ResumeJobResponse, error) {
	a.mu.Lock()
	a.resumes = append(a.resumes, req)
	a.mu.Unlock()
	return &accessv1.ResumeJobResponse{Job: &typesv1.Job{Id: req.GetJobId(), State: typesv1.JobState_JOB_STATE_RUNNING}}, a.next("ResumeJob")
}

func (a *access) SummarizeJob(context.Context, *accessv1.SummarizeJobRequest) (*accessv1.SummarizeJobResponse, error) {
	return a.summary, a.next("SummarizeJob")
}

// page is the token of the next page of a list, and the number of this one.
func (a *access) page(req any, token string) (n int, next string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lists = append(a.lists, req)
	if token != "" {
		_, _ = fmt.Sscanf(token, "page-%d", &n)
	}
	if n+1 < a.pages {
		next = fmt.Sprintf("page-%d", n+1)
	}
	return n, next
}

func (a *access) ListJobs(_ context.Context, req *accessv1.ListJobsRequest) (*accessv1.ListJobsResponse, error) {
	n, next := a.page(req, req.GetPageToken())
	return &accessv1.ListJobsResponse{Jobs: []*typesv1.Job{{Id: fmt.Sprintf("j%d", n)}}, NextPageToken: next}, a.next("ListJobs")
}

func (a *access) ListTasks(_ context.Context, req *accessv1.ListTasksRequest) (*accessv1.ListTasksResponse, error) {
	n, next := a.page(req, req.GetPageToken())
	t := &typesv1.Task{Ordinal: uint32(n), HostId: fmt.Sprintf("h%d", n)}
	if a.task != nil {
		t = a.task(n)
	}
	return &accessv1.ListTasksResponse{Tasks: []*typesv1.Task{t}, NextPageToken: next}, a.next("ListTasks")
}

func (a *access) ListHosts(_ context.Context, req *accessv1.ListHostsRequest) (*accessv1.ListHostsResponse, error) {
	n, next := a.page(req, req.GetPageToken())
	return &accessv1.ListHostsResponse{Hosts: []*typesv1.Host{{Id: fmt.Sprintf("h%d", n)}}, NextPageToken: next}, a.next("ListHosts")
}

func (a *access) WatchJob(req *accessv1.WatchJobRequest, out grpc.ServerStreamingServer[accessv1.WatchJobResponse]) error {
	a.watching.Add(1)
	defer a.watching.Done()
	if err := a.next("WatchJob"); err != nil {
		return err
	}
	a.mu.Lock()
	n := a.calls["WatchJob"]
	a.mu.Unlock()
	return a.watch(n, req, out.Send)
}

func (a *access) GetOutput(_ *accessv1.GetOutputRequest, out grpc.ServerStreamingServer[accessv1.GetOutputResponse]) error {
	for _, piece := range a.output {
		if err := out.Send(&accessv1.GetOutputResponse{Content: piece}); err != nil {
			return err
		}
		if err := a.next("GetOutput"); err != nil { // after each piece
			if a.betweenOutputs != nil {
				a.betweenOutputs()
			}
			return err
		}
	}
	return nil
}

// collect is all that a sequence yields, and its error.
func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for item, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

// called is how often a method was called.
func (a *access) called(method string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[method]
}

// retryIn is a refusal that says when to come again.
func retryIn(d time.Duration) error { return retryStatus(d) }

// wait lets the time of the bubble pass.
func wait(d time.Duration) { <-time.After(d) }
