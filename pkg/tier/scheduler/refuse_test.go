package scheduler

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

func isCode(err error, code string) bool { return err != nil && status.Code(err).String() == code }

// refused checks that a call was refused with a code and with words that help.
func refused(t *testing.T, what string, err error, code string, words ...string) {
	t.Helper()
	if !isCode(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error does not say %q: %v", what, word, err)
		}
	}
}

func TestBadInputGetsAClearErrorAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		r.whole(r.last, 4)
		for _, c := range []struct {
			name  string
			spoil func(o *order)
			code  string
			words []string
		}{
			{"an unknown host", func(o *order) {
				o.rooms = []*typesv1.RoomTargets{{Room: "bj01", Targets: []*typesv1.Target{{HostId: "nobody", Incarnation: make16(1)}}}}
				o.resolution.Count = 1
				o.sign(t)
			}, "InvalidArgument", []string{"nobody", "resolve"}},
			{"a host that has changed", func(o *order) {
				o.rooms[0].Targets[1].Incarnation = make16(9)
				o.sign(t)
			}, "FailedPrecondition", []string{"h001", "resolve"}},
			{"an empty target list", func(o *order) { o.rooms = nil }, "InvalidArgument", []string{"no targets"}},
			{"a shorter list than signed", func(o *order) { o.rooms[0].Targets = o.rooms[0].GetTargets()[:2] }, "InvalidArgument", []string{"3 are signed"}},
			{"a longer list than signed", func(o *order) {
				o.rooms = append(o.rooms, &typesv1.RoomTargets{Room: "cn01", Targets: []*typesv1.Target{{HostId: "x", Incarnation: make16(1)}}})
			}, "InvalidArgument", []string{"3 targets that are signed"}},
			{"another list than signed", func(o *order) { o.payload.Root[0]++ }, "InvalidArgument", []string{"root"}},
			{"a list out of order", func(o *order) {
				ts := o.rooms[0].GetTargets()
				ts[0], ts[1] = ts[1], ts[0]
			}, "InvalidArgument", []string{"ascending"}},
			{"a selector that does not parse", func(o *order) { o.payload.Selector = "room=bj01,,x" }, "InvalidArgument", []string{"column 11"}},
			{"an unknown class", func(o *order) { o.payload.Class = "unheard-of" }, "InvalidArgument", []string{"unheard-of", "standard"}},
			{"an id a day off", func(o *order) {
				o.payload.JobID = job.NewID(time.Now().Add(-25*time.Hour), [10]byte{1})
			}, "InvalidArgument", []string{"24 h", "clock"}},
			{"a resolution that has expired", func(o *order) {
				o.resolution.ResolvedAt = timestamppb.New(time.Now().Add(-11 * time.Minute))
			}, "FailedPrecondition", []string{"resolve them again"}},
			{"a resolution of the future", func(o *order) {
				o.resolution.ResolvedAt = timestamppb.New(time.Now().Add(11 * time.Minute))
			}, "InvalidArgument", []string{"resolve them again"}},
			{"no resolution", func(o *order) { o.resolution = nil }, "InvalidArgument", []string{"resolve"}},
			{"no deadline", func(o *order) { o.rollout.Deadline = time.Time{} }, "InvalidArgument", []string{"rollout.deadline"}},
			{"a start-by that has passed", func(o *order) { o.payload.NotAfter = time.Now().Add(-time.Second) }, "InvalidArgument", []string{"start_by"}},
			{"a rollout that contradicts itself", func(o *order) { o.rollout.FailureAction = job.AbortOnFailure }, "InvalidArgument", []string{"failure_action", "give max_failures"}},
			{"a long note", func(o *order) { o.note = strings.Repeat("x", job.MaxNote+1) }, "InvalidArgument", []string{"note"}},
		} {
			o := r.order()
			c.spoil(o)
			_, err := r.send(r.last, o)
			refused(t, c.name, err, c.code, c.words...)
		}
		if jobs, _, err := r.store.ListJobs(t.Context(), store.JobQuery{}); err != nil || len(jobs) != 0 {
			t.Errorf("the store has %d jobs, %v", len(jobs), err)
		}
	})
}

func make16(b byte) []byte {
	out := make([]byte, 16)
	out[0] = b
	return out
}

func TestBytesThatAreNoCapsuleAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		o := r.order()
		good, err := capsule.Sign(o.payload, r.key)
		if err != nil {
			t.Fatal(err)
		}
		cut := good
		cut.Payload = cut.Payload[:len(cut.Payload)-1]
		_, err = r.sendSealed(r.last, o, cut)
		refused(t, "a payload that is cut off", err, "InvalidArgument", "cut off")
		unsigned := good
		unsigned.Signatures = nil
		_, err = r.sendSealed(r.last, o, unsigned)
		refused(t, "a capsule that nobody has signed", err, "PermissionDenied", "nobody has signed")
		huge := good
		huge.Payload = append(append([]byte{}, good.Payload...), make([]byte, capsule.MaxPayload)...)
		_, err = r.sendSealed(r.last, o, huge)
		refused(t, "bytes past every limit, as with a script of more than 1 MiB", err, "InvalidArgument", "at most")
	})
}

func TestTheSameJobTwiceIsOneJobAndAnotherBodyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.whole(r.last, 4)
		o := r.order()
		first, err := r.send(r.last, o)
		if err != nil || first.GetExisted() {
			t.Fatalf("first: %v, %v", first, err)
		}
		again, err := r.send(r.last, o)
		if err != nil || !again.GetExisted() || again.GetJob().GetId() != o.id.String() {
			t.Errorf("again: %v, %v", again, err)
		}
		other := *o
		other.rollout.Concurrency = job.Amount{Count: 1}
		_, err = r.send(r.last, &other)
		refused(t, "another rollout", err, "AlreadyExists", o.id.String(), "new id")
		other = *o
		other.payload.Command.Argv = []string{"/bin/false"}
		_, err = r.send(r.last, &other)
		refused(t, "another command", err, "AlreadyExists", o.id.String(), "new id")

		r.done(o.id)
		time.Sleep(20 * time.Minute) // the resolution has expired, and the job has left memory
		late, err := r.send(r.last, o)
		if err != nil || !late.GetExisted() || late.GetJob().GetState() != typesv1.JobState_JOB_STATE_DONE {
			t.Errorf("the same job after its time: %v, %v", late, err)
		}
		_, err = r.send(r.last, &other)
		refused(t, "another body after its time", err, "AlreadyExists", "new id")
		for i := range 2 {
			if n := r.world.task(hostName(i), o.id).started; n != 1 {
				t.Errorf("host %d started it %d times", i, n)
			}
		}
	})
}

func TestATokenOfAnotherListIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 3)
		o, p := r.run(), r.run()
		r.done(o.id)
		r.done(p.id)
		ask := func(q *accessv1.ListTasksRequest) (*accessv1.ListTasksResponse, error) {
			resp, err := r.last.api.ListTasks(t.Context(), &schedulerv1.ListTasksRequest{Caller: caller(), Request: q})
			return resp.GetResponse(), err
		}
		first, err := ask(&accessv1.ListTasksRequest{JobId: o.id.String(), PageSize: 2})
		if err != nil || first.GetNextPageToken() == "" {
			t.Fatalf("first page: %v, %v", first, err)
		}
		token := first.GetNextPageToken()
		_, err = ask(&accessv1.ListTasksRequest{JobId: p.id.String(), PageSize: 2, PageToken: token})
		refused(t, "token of another job", err, "InvalidArgument", "another list")
		_, err = ask(&accessv1.ListTasksRequest{JobId: o.id.String(), PageToken: token, States: []typesv1.TaskState{typesv1.TaskState_TASK_STATE_FAILED}})
		refused(t, "token of other filters", err, "InvalidArgument", "another list")
		_, err = ask(&accessv1.ListTasksRequest{JobId: o.id.String(), PageToken: token[:4]})
		refused(t, "damaged token", err, "InvalidArgument", "damaged")
		_, err = r.last.api.ListHosts(t.Context(), &schedulerv1.ListHostsRequest{Caller: caller(), Request: &accessv1.ListHostsRequest{PageToken: token}})
		refused(t, "token of tasks for hosts", err, "InvalidArgument", "another list")
		_, err = r.last.api.ListJobs(t.Context(), &schedulerv1.ListJobsRequest{Caller: caller(), Request: &accessv1.ListJobsRequest{PageToken: token}})
		refused(t, "token of tasks for jobs", err, "InvalidArgument", "another list")
		_, err = ask(&accessv1.ListTasksRequest{JobId: o.id.String(), PageSize: 1001})
		refused(t, "a page that is too large", err, "InvalidArgument", "1000")
		_, err = ask(&accessv1.ListTasksRequest{JobId: o.id.String(), Host: "nobody"})
		refused(t, "tasks of a host that is no target", err, "NotFound", "nobody")
		_, err = ask(&accessv1.ListTasksRequest{JobId: "42"})
		refused(t, "an id that is none", err, "InvalidArgument", "UUIDv7")
		_, err = r.output(o.id, make([]byte, 32))
		refused(t, "an output that there is not", err, "NotFound", "digest")
	})
}

func TestAQueryThatCannotBeAnsweredSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		for _, c := range []struct {
			name  string
			query *accessv1.TargetQuery
			words []string
		}{
			{"nothing asked", &accessv1.TargetQuery{}, []string{"no host matches"}},
			{"unknown host", &accessv1.TargetQuery{Hosts: []string{"h000", "nobody"}}, []string{"nobody"}},
			{"no match", &accessv1.TargetQuery{Selector: "app=db"}, []string{"no host matches"}},
			{"no selector", &accessv1.TargetQuery{Selector: "app in web"}, []string{"column 8"}},
		} {
			_, _, err := r.resolve(c.query)
			refused(t, c.name, err, "InvalidArgument", c.words...)
		}
		rooms, resolution, err := r.resolve(&accessv1.TargetQuery{Selector: "room=bj01,app=web"})
		if err != nil || resolution.GetCount() != 2 || len(rooms) != 1 || len(rooms[0].GetTargets()) != 2 {
			t.Errorf("a good query gives %v, %v, %v", rooms, resolution, err)
		}
	})
}

func TestEachServiceIsForItsCallerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		_, err := schedulerv1.NewFleetServiceClient(r.conns[0]).RegisterHost(t.Context(), &schedulerv1.RegisterHostRequest{})
		refused(t, "access registers a host", err, "PermissionDenied", "access")
		_, err = schedulerv1.NewSchedulerServiceClient(r.conns[1]).GetJob(t.Context(), &schedulerv1.GetJobRequest{})
		refused(t, "the issuer asks for a job", err, "PermissionDenied", "issuer")
		stream, err := schedulerv1.NewSchedulerServiceClient(r.conns[1]).WatchJob(t.Context(), &schedulerv1.WatchJobRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		refused(t, "the issuer watches a job", err, "PermissionDenied", "issuer")
	})
}

func TestAHostsNameDoesNotChangeHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		h := r.world.hosts[hostName(0)]
		register := func(change func(*typesv1.Host)) (*typesv1.Host, error) {
			row := r.row(h)
			change(row)
			resp, err := r.last.fleet.RegisterHost(t.Context(), &schedulerv1.RegisterHostRequest{Host: row})
			return resp.GetHost(), err
		}
		r.until("facts of the host", func() bool {
			row, ok := r.last.hosts.Row(h.id)
			return ok && len(row.Facts) > 0
		})
		before, _ := r.last.hosts.Row(h.id)
		same, err := register(func(*typesv1.Host) {})
		if err != nil || same.GetRevision() != before.Revision {
			t.Errorf("the same host again: revision %d after %d, %v", same.GetRevision(), before.Revision, err)
		}
		_, err = register(func(row *typesv1.Host) { row.PublicKey[0]++ })
		refused(t, "another key", err, "PermissionDenied", "another key", "revoke")
		moved, err := register(func(row *typesv1.Host) { row.Room = "bj02" })
		if err != nil || moved.GetRoom() != "bj02" || moved.GetFacts()["os"] != "debian" || moved.GetRevision() <= before.Revision {
			t.Errorf("the host in another room: %v, %v", moved, err)
		}
		_, err = register(func(row *typesv1.Host) { row.Address = "here"; row.Room = "" })
		refused(t, "a faulty row", err, "InvalidArgument", "address", "room")
	})
}

func TestAJobOfAnotherPoolIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		o := r.order()
		o.payload.Class = "critical"
		_, err := r.send(r.last, o)
		if !wire.IsNotOwner(err) {
			t.Errorf("a job of the pool critical: %v, want that it is told to go elsewhere", err)
		}
	})
}

func TestAJobThatIsInAnotherPoolIsLookedForThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		o := r.order()
		r.putElsewhere(o, job.ShardID{Pool: "critical", N: 1})
		o.resolution.ResolvedAt = timestamppb.New(time.Now().Add(-time.Hour)) // it was good when the job was accepted
		_, err := r.send(r.last, o)
		if pool := ownersPool(err); pool != "critical" {
			t.Errorf("told was the pool %q, want critical: %v", pool, err)
		}
	})
}

// putElsewhere makes an order a job of another pool, as it is when its class has
// moved since.
func (r *rig) putElsewhere(o *order, where job.ShardID) {
	r.Helper()
	envelope, err := capsule.Sign(o.payload, r.key)
	if err != nil {
		r.Fatal(err)
	}
	epoch, err := r.store.Claim(r.Context(), where, "s9")
	if err != nil {
		r.Fatal(err)
	}
	var list job.TargetsBuilder
	if err := wire.AddTargets(&list, o.rooms); err != nil {
		r.Fatal(err)
	}
	targets, err := list.Build()
	if err != nil {
		r.Fatal(err)
	}
	create := store.Create{
		Digest: bodyDigest(envelope.Payload, o.rollout), Targets: targets,
		Spec: specOf(o.payload, o.rollout, where.Pool, "ann", "", time.Now()),
	}
	_, err = r.store.Commit(r.Context(), []store.Batch{{Shard: where, Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
		{ID: o.id, Create: &create, Persist: job.New(create.Spec, targets).Ready().Persist},
	}}})
	if err != nil {
		r.Fatal(err)
	}
}

// ownersPool is the pool that a refusal names.
func ownersPool(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if owner, ok := detail.(*schedulerv1.NotOwner); ok {
			return owner.GetPool()
		}
	}
	return ""
}
