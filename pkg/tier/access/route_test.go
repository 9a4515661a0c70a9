package access_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestACallGoesToTheOwnerOfTheJobsShard(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s1, s2 := &scheduler{pool: "standard"}, &scheduler{pool: "standard"}
		r.scheduler("s1", "standard", s1, 0, 1)
		r.scheduler("s2", "standard", s2, 2, 3)
		for n := range uint16(shards) {
			id, want := idOn(n).String(), "s1"
			if n >= 2 {
				want = "s2"
			}
			got, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id})
			must(t, err)
			if got.GetJob().GetId() != jobNamed(id, want) {
				t.Errorf("shard %d was asked of %s", n, got.GetJob().GetId())
			}
		}
		if !slices.Contains(s1.callers, "spiffe://demo.ccs/user/ann") {
			t.Errorf("the caller is %q", s1.callers)
		}
	})
}

func TestTheSameShardOfAnotherPoolIsAnotherScheduler(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("c1", "critical", &scheduler{pool: "critical"}, everyShard()...)
		r.scheduler("s1", "standard", &scheduler{pool: "critical"}, everyShard()...)
		id := idOn(1).String()
		got, err := r.user.CancelJob(t.Context(), &accessv1.CancelJobRequest{JobId: id})
		must(t, err)
		if got.GetJob().GetId() != jobNamed(id, "c1") {
			t.Errorf("it went to %s", got.GetJob().GetId())
		}
	})
}

func TestThePoolOfAJobIsAskedOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{pool: "standard"}
		r.scheduler("s1", "standard", s, everyShard()...)
		id := idOn(0).String()
		for range 3 {
			_, err := r.user.ListTasks(t.Context(), &accessv1.ListTasksRequest{JobId: id})
			must(t, err)
		}
		if n := s.count("LocateJob"); n != 1 {
			t.Errorf("the pool was asked %d times", n)
		}
	})
}

func TestAJobThatNobodyKnowsIsNotFoundAndNotRemembered(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{fail: func(string) error { return status.Error(codes.NotFound, "there is no such job") }}
		r.scheduler("s1", "standard", s, everyShard()...)
		for range 2 {
			_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()})
			wantRefusal(t, err, codes.NotFound, "there is no such job")
		}
		if n := s.count("LocateJob"); n != 2 {
			t.Errorf("the pool was asked %d times", n)
		}
	})
}

func TestACallIsMadeAgainAtTheNewOwner(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		old := &scheduler{pool: "standard"}
		next := &scheduler{pool: "standard"}
		r.scheduler("s1", "standard", old, everyShard()...)
		r.scheduler("s2", "standard", next)
		old.fail = func(method string) error {
			if method == "CancelJob" {
				return notOwner("")
			}
			return nil
		}
		id := idOn(2).String()
		done := make(chan error, 1)
		go func() {
			got, err := r.user.CancelJob(t.Context(), &accessv1.CancelJobRequest{JobId: id})
			if err == nil && got.GetJob().GetId() != jobNamed(id, "s2") {
				t.Errorf("it went to %s", got.GetJob().GetId())
			}
			done <- err
		}()
		wait(2 * time.Second)
		r.owns("s2", "standard", 2)
		must(t, <-done)
		if n := next.count("CancelJob"); n != 1 {
			t.Errorf("the new owner was asked %d times", n)
		}
	})
}

func TestACallOutlivesTheSchedulerThatIsKilled(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		kill := r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		r.scheduler("s2", "standard", &scheduler{pool: "standard"})
		id := idOn(3).String()
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id})
		must(t, err)
		kill()
		done := make(chan error, 1)
		go func() {
			_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id})
			done <- err
		}()
		wait(3 * time.Second) // the lease
		r.owns("s2", "standard", 3)
		must(t, <-done)
	})
}

func TestWithoutAnOwnerTheCallIsUnavailableInTime(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}) // owns nothing
		began := time.Now()
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()})
		wantRefusal(t, err, codes.Unavailable, "no scheduler owns this part of the pool")
		if took := time.Since(began); took < r.cfg.RouteWait || took > r.cfg.RouteWait+time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestWhatEverySchedulerKnowsIsAskedOfOneThatLives(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		dead := &scheduler{fail: func(string) error { return status.Error(codes.Unavailable, "going away") }}
		r.scheduler("s1", "standard", dead)
		r.scheduler("s2", "standard", &scheduler{})
		for range 8 {
			jobs, err := r.user.ListJobs(t.Context(), &accessv1.ListJobsRequest{})
			must(t, err)
			hosts, err := r.user.ListHosts(t.Context(), &accessv1.ListHostsRequest{})
			must(t, err)
			host, err := r.user.GetHost(t.Context(), &accessv1.GetHostRequest{Host: "h1"})
			must(t, err)
			if jobs.GetNextPageToken() != "s2" || hosts.GetNextPageToken() != "s2" || host.GetHost().GetId() != "h1" {
				t.Errorf("got %v, %v, %v", jobs, hosts, host)
			}
		}
		if dead.count("ListJobs")+dead.count("ListHosts")+dead.count("GetHost") == 0 { // once in 2^24, where it is
			t.Error("the first scheduler was never tried: the order is not random")
		}
	})
}

func TestARefusalOfASchedulerReachesTheUserAsItIs(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{pool: "standard", fail: func(method string) error {
			if method == "CancelJob" {
				return status.Error(codes.Aborted, "the job's control state has changed")
			}
			return nil
		}}
		r.scheduler("s1", "standard", s, everyShard()...)
		_, err := r.user.CancelJob(t.Context(), &accessv1.CancelJobRequest{JobId: idOn(0).String()})
		wantRefusal(t, err, codes.Aborted, "control state has changed")
		if n := s.count("CancelJob"); n != 1 {
			t.Errorf("it was tried %d times", n)
		}
	})
}

func TestAnIDThatIsNoneIsRefusedWithoutAskingAnybody(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{}
		r.scheduler("s1", "standard", s, everyShard()...)
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: "42"})
		wantRefusal(t, err, codes.InvalidArgument, `job id "42"`)
		watch, err := r.user.WatchJob(t.Context(), &accessv1.WatchJobRequest{JobId: "42"})
		must(t, err)
		_, err = watch.Recv()
		wantRefusal(t, err, codes.InvalidArgument, `job id "42"`)
		if len(s.calls) != 0 {
			t.Errorf("asked %v", s.calls)
		}
	})
}

func TestARoutingMapHoldsOnWhileEtcdIsAway(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{pool: "standard"}, everyShard()...)
		r.hub.Away()
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(0).String()})
		must(t, err)
		r.hub.Back()
		r.hub.Rewind() // etcd comes back empty: what was known stays
		synctest.Wait()
		_, err = r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: idOn(1).String()})
		must(t, err)
	})
}

func TestASchedulerThatComesBackElsewhereIsDialledThere(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s := &scheduler{pool: "standard"}
		r.scheduler("s1", "standard", s, everyShard()...)
		id := idOn(0).String()
		_, err := r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id})
		must(t, err)
		r.mu.Lock()
		r.ports["new:7410"] = r.ports["s1:7410"]
		r.mu.Unlock()
		session, err := r.hub.Grant(t.Context(), time.Minute)
		must(t, err)
		must(t, coord.PutMember(t.Context(), session, coord.Member{Kind: coord.Scheduler, Name: "s1", Addr: "new:7410", Pool: "standard", Shards: shards}))
		synctest.Wait()
		_, err = r.user.GetJob(t.Context(), &accessv1.GetJobRequest{JobId: id})
		must(t, err)
		if r.dialled("s1") != 1 || r.dialled("new") != 1 {
			t.Errorf("dialled %v", r.dials)
		}
	})
}

func TestOnlyUsersAreLetIn(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.scheduler("s1", "standard", &scheduler{}, everyShard()...)
		foreign, err := identity.NewCA(domain, time.Hour, time.Now())
		must(t, err)
		for name, source := range map[string]*identity.Source{
			"a host": r.source(identity.Host, "h1"), "a scheduler": r.source(identity.Scheduler, "s1"),
			"another replica": r.source(identity.Access, "a2"), "somebody of another CA": r.sourceOf(foreign, identity.User, "ann"),
		} {
			conn := r.connectWith(source)
			_, err := accessv1.NewAccessServiceClient(conn).ListHosts(t.Context(), &accessv1.ListHostsRequest{})
			if status.Code(err) != codes.Unavailable {
				t.Errorf("%s got %v", name, err)
			}
			must(t, conn.Close())
		}
	})
}

func TestTheConfigurationIsChecked(t *testing.T) {
	must(t, access.DefaultConfig().Validate())
	if _, err := access.New(access.Config{}, access.Deps{}); err == nil {
		t.Error("a replica was made with an empty configuration")
	}
}
