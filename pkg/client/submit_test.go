package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func retryStatus(d time.Duration) error {
	return wire.StatusError(&wire.RetryAfter{After: d, Err: errors.New("lost in the middle")})
}

func uptime() client.Request {
	return client.Request{Selector: "app=web", Command: client.Command{Argv: []string{"uptime"}}}
}

func TestAJobIsResolvedSignedAndSubmitted(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		request := uptime()
		request.Class, request.Account, request.Note = "critical", "ops", "why"
		request.Concurrency = client.Amount{Percent: 10}
		request.TTL, request.Deadline = time.Hour, 2*time.Hour
		request.Command.Timeout, request.Command.TimeoutAction = time.Minute, client.Report
		request.Command.Env, request.Command.OutputLimit = []string{"A=b"}, 99
		began := time.Now()
		j, err := r.Run(t.Context(), request)
		must(t, err)
		if j.State != "RUNNING" || j.Targets != 3 {
			t.Errorf("the job is %+v", j)
		}
		got := r.access.submitted[0]
		if fmt.Sprint(got.hosts) != "[bj01/h1 bj01/h2 sh01/h0]" {
			t.Errorf("the targets are %v", got.hosts)
		}
		p, err := capsule.Open(wire.EnvelopeFromProto(got.header.GetCapsule()))
		must(t, err)
		if p.Class != "critical" || p.Account != "ops" || p.Selector != "app=web" || p.Count != 3 ||
			!p.NotAfter.Equal(began.Add(time.Hour)) || !p.NotBefore.Equal(began.Add(-time.Minute)) ||
			p.Command.TimeoutAction != capsule.TimeoutReport || p.Command.Limits.OutputBytes != 99 || p.Command.MaxAttempts != 1 {
			t.Errorf("signed was %+v", p)
		}
		rollout := wire.RolloutFromProto(got.header.GetRollout())
		if rollout.Concurrency.Percent != 10 || !rollout.Deadline.Equal(began.Add(2*time.Hour)) || got.header.GetNote() != "why" {
			t.Errorf("the control information is %+v", rollout)
		}
		if !proto.Equal(got.header.GetResolution(), r.access.resolved[0].GetResolution()) {
			t.Error("the resolution did not go back as it came")
		}
	})
}

func TestTheSignatureIsTheUsersAndTheRootIsThatOfTheList(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		targets, err := r.Resolve(t.Context(), uptime())
		must(t, err)
		_, err = r.Run(t.Context(), uptime())
		must(t, err)
		e := wire.EnvelopeFromProto(r.access.submitted[0].header.GetCapsule())
		p, err := capsule.Open(e)
		must(t, err)
		other, err := capsule.Sign(p, r.key)
		must(t, err)
		if string(other.Signatures[0].Sig) != string(e.Signatures[0].Sig) || other.Signatures[0].KeyID != e.Signatures[0].KeyID {
			t.Error("it is not signed by the user's key")
		}
		if targets.Len() != 3 || fmt.Sprint(targets.Hosts(), targets.Rooms()) != "[h1 h2 h0] map[bj01:2 sh01:1]" || !targets.ResolvedAt().Equal(time.Now()) {
			t.Errorf("resolved were %v of %v at %s", targets.Hosts(), targets.Rooms(), targets.ResolvedAt())
		}
	})
}

func TestASubmissionIsRepeatedAsTheSameJob(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["SubmitJob"] = []error{unavailable(), retryIn(3 * time.Second), unavailable()}
		began := time.Now()
		_, err := r.Run(t.Context(), uptime())
		must(t, err)
		if n := len(r.access.submitted); n != 4 {
			t.Fatalf("it was submitted %d times", n)
		}
		for _, s := range r.access.submitted[1:] {
			if !proto.Equal(s.header, r.access.submitted[0].header) || !slices.Equal(s.hosts, r.access.submitted[0].hosts) {
				t.Error("a repetition was another job")
			}
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("the pauses made %s; the servers asked for 3 s once", took)
		}
	})
}

func TestASubmissionThatIsLostInTheMiddleIsRepeatedAsTheSameJob(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["SubmitJob begins"] = []error{unavailable(), status.Error(codes.Canceled, "the replica is going"), unavailable()}
		signed, err := r.Sign(uptime(), mustResolve(t, r))
		must(t, err)
		_, err = r.Submit(t.Context(), signed)
		must(t, err)
		if begun, whole := r.access.called("SubmitJob begins"), len(r.access.submitted); begun != 4 || whole != 1 {
			t.Fatalf("it was begun %d times and came whole %d times", begun, whole)
		}
		p, err := capsule.Open(wire.EnvelopeFromProto(r.access.submitted[0].header.GetCapsule()))
		must(t, err)
		if p.JobID.String() != signed.ID {
			t.Errorf("%s was signed, and %s arrived", signed.ID, p.JobID)
		}
	})
}

func TestRunSignsOneJobAndSaysWhichWhateverHappens(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for says, answer := range map[string]error{"no scheduler owns": unavailable(), "expired": wire.StatusError(wire.ErrStale), "broke": status.Error(codes.Internal, "broke")} {
			r.access.submitted = nil
			r.access.answers["SubmitJob"] = slices.Repeat([]error{answer}, 100)
			j, err := r.Run(t.Context(), uptime())
			if err == nil || !contains(err.Error(), says) {
				t.Errorf("got %v, want %q", err, says)
			}
			ids := map[string]bool{}
			for _, s := range r.access.submitted {
				p, err := capsule.Open(wire.EnvelopeFromProto(s.header.GetCapsule()))
				must(t, err)
				ids[p.JobID.String()] = true
			}
			if len(ids) != 1 || !ids[j.ID] {
				t.Errorf("submitted were %v, and the caller is told %q", ids, j.ID)
			}
		}
	})
}

func TestWhatWasSignedCanBeSubmittedTwice(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		signed, err := r.Sign(uptime(), mustResolve(t, r))
		must(t, err)
		for range 2 {
			_, err = r.Submit(t.Context(), signed)
			must(t, err)
		}
		if !proto.Equal(r.access.submitted[0].header, r.access.submitted[1].header) {
			t.Error("the second submission was another job")
		}
	})
}

func TestASubmissionIsGivenUpAfterHalfAMinute(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["SubmitJob"] = slices.Repeat([]error{unavailable()}, 100)
		began := time.Now()
		_, err := r.Run(t.Context(), uptime())
		wantError(t, err, client.Unavailable, "no scheduler owns")
		if took := time.Since(began); took > 30*time.Second || took < 25*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestTheCallerEndsTheRepeating(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["SubmitJob"] = slices.Repeat([]error{unavailable()}, 100)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := r.Run(ctx, uptime()); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("it ended after %s with %v", time.Since(began), err)
		}
	})
}

func TestARefusalIsNotRepeated(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for _, c := range []struct {
			err  error
			code client.Code
		}{
			{status.Error(codes.InvalidArgument, "bad"), client.Invalid},
			{status.Error(codes.NotFound, "bad"), client.NotFound},
			{wire.StatusError(fmt.Errorf("bad: %w", wire.ErrOtherBody)), client.Conflict},
			{status.Error(codes.Aborted, "bad"), client.Conflict},
			{wire.StatusError(fmt.Errorf("bad: %w", wire.ErrStale)), client.Expired},
			{status.Error(codes.FailedPrecondition, "bad"), client.WrongState},
			{status.Error(codes.PermissionDenied, "bad"), client.Denied},
			{status.Error(codes.Unauthenticated, "bad"), client.Denied},
			{status.Error(codes.ResourceExhausted, "bad"), client.TooMuch},
			{status.Error(codes.Internal, "bad"), client.Internal},
			{status.Error(codes.Unimplemented, "bad"), client.Internal},
		} {
			r.access.submitted = nil
			r.access.answers["SubmitJob"] = []error{c.err}
			_, err := r.Run(t.Context(), uptime())
			wantError(t, err, c.code, "bad")
			if n := len(r.access.submitted); n != 1 {
				t.Errorf("%v was repeated: %d times", c.err, n)
			}
		}
	})
}

func TestALongListGoesInPieces(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.resolved = nil
		for i := range 25 {
			var hosts []string
			for n := range 100 {
				hosts = append(hosts, fmt.Sprintf("h%05d", 100*i+n))
			}
			r.access.resolved = append(r.access.resolved, &accessv1.ResolveTargetsResponse{Rooms: []*typesv1.RoomTargets{inRoom("bj01", hosts...)}})
		}
		r.access.resolved[0].Resolution = &accessv1.Resolution{Count: 2500}
		_, err := r.Run(t.Context(), uptime())
		must(t, err)
		if got := r.access.submitted[0]; fmt.Sprint(got.sizes) != "[1000 1000 500]" || len(got.hosts) != 2500 {
			t.Errorf("%d hosts in messages of %v", len(got.hosts), got.sizes)
		}
	})
}

func TestAListThatIsNoneIsNotSignedFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		one := func(count uint64, rooms ...*typesv1.RoomTargets) []*accessv1.ResolveTargetsResponse {
			return []*accessv1.ResolveTargetsResponse{{Resolution: &accessv1.Resolution{Count: count}, Rooms: rooms}}
		}
		for name, c := range map[string]struct {
			list []*accessv1.ResolveTargetsResponse
			code client.Code
			says string
		}{
			"ended early":         {one(3, inRoom("bj01", "h1")), client.Unavailable, "ended early"},
			"more than announced": {one(1, inRoom("bj01", "h1", "h2")), client.Unavailable, "ended early"},
			"not sorted":          {one(2, inRoom("bj01", "h2", "h1")), client.Internal, "a target list that is not one"},
			"a host twice":        {one(2, inRoom("bj01", "h1"), inRoom("sh01", "h1")), client.Internal, "a target list that is not one"},
			"a broken target":     {one(1, &typesv1.RoomTargets{Room: "bj01", Targets: []*typesv1.Target{{HostId: "h1"}}}), client.Internal, "a target list that is not one"},
		} {
			r.access.resolved = c.list
			_, err := r.Run(t.Context(), uptime())
			t.Log(name)
			wantError(t, err, c.code, c.says)
		}
		if len(r.access.submitted) != 0 {
			t.Error("something was submitted")
		}
	})
}

func TestAResolutionIsAskedForAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["ResolveTargets"] = []error{unavailable()}
		_, err := r.Resolve(t.Context(), uptime())
		must(t, err)
		r.access.answers["ResolveTargets"] = []error{status.Error(codes.InvalidArgument, "unknown hosts: h9")}
		_, err = r.Resolve(t.Context(), uptime())
		wantError(t, err, client.Invalid, "h9")
	})
}

func TestAJobThatCannotBeIsNotSigned(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		targets, err := r.Resolve(t.Context(), uptime())
		must(t, err)
		for says, change := range map[string]func(*client.Request){
			"give exactly one of the three": func(q *client.Request) { q.Command.Script = []byte("x") },
			"exactly one":                   func(q *client.Request) { q.Command = client.Command{} },
			"one of the three":              func(q *client.Request) { q.Command.Ping = true },
			"must not be negative":          func(q *client.Request) { q.TTL = -1 },
			"longer than the deadline":      func(q *client.Request) { q.TTL = 25 * time.Hour },
			"length of script":              func(q *client.Request) { q.Command = client.Command{Script: make([]byte, 1<<20+1)} },
			"length of stdin":               func(q *client.Request) { q.Command.Stdin = make([]byte, 1<<20+1) },
			"cwd \"tmp\" is not absolute":   func(q *client.Request) { q.Command.Cwd = "tmp" },
			"env has an entry that is not":  func(q *client.Request) { q.Command.Env = []string{"A"} },
			"timeout is":                    func(q *client.Request) { q.Command.Timeout = -1 },
			"output limit":                  func(q *client.Request) { q.Command.OutputLimit = 1 << 40 },
			"umask is 01000":                func(q *client.Request) { umask := uint32(0o1000); q.Command.Umask = &umask },
			"must be 0 to 1000, not 1001":   func(q *client.Request) { q.Command.OOMScoreAdj = 1001 },
			"must be 0 to 1000, not -1":     func(q *client.Request) { q.Command.OOMScoreAdj = -1 },
			"there is no rlimit \"CORE\"":   func(q *client.Request) { q.Command.Rlimits = map[string]uint64{"CORE": 1} },
			"and no rlimit nofile":          func(q *client.Request) { q.Command.Rlimits = map[string]uint64{"nofile": 1} },
			"class":                         func(q *client.Request) { q.Class = "no such!" },
		} {
			q := uptime()
			change(&q)
			_, err := r.Sign(q, targets)
			wantError(t, err, client.Invalid, says)
		}
	})
}

func TestSettingsAreSignedAsTheyWereGiven(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		umask := uint32(0o27)
		q := uptime()
		q.Command.Limits = client.Limits{MemoryBytes: 1 << 30, CPUMillis: 1500, PIDs: 10, OpenFiles: 64}
		q.Command.Umask, q.Command.OOMScoreAdj, q.Command.LeaveDescendants = &umask, 300, true
		q.Command.Rlimits = map[string]uint64{"stack": client.Unlimited, "as": 1 << 40, "core": 0}
		for i, name := range client.Resources() {
			q.Command.Rlimits[name] = max(q.Command.Rlimits[name], uint64(i))
		}
		targets, err := r.Resolve(t.Context(), q)
		must(t, err)
		signed, err := r.Sign(q, targets)
		must(t, err)
		umask = 0 // what is signed does not change with it
		_, err = r.Submit(t.Context(), signed)
		must(t, err)
		p, err := capsule.Open(wire.EnvelopeFromProto(r.access.submitted[0].header.GetCapsule()))
		must(t, err)
		c := p.Command
		if (c.Limits != capsule.Limits{MemoryBytes: 1 << 30, CPUMillis: 1500, PIDs: 10, OpenFiles: 64}) ||
			c.Umask == nil || *c.Umask != 0o27 || c.OOMScoreAdj != 300 || !c.LeaveDescendants {
			t.Errorf("signed was %+v", c)
		}
		if len(c.Rlimits) != len(client.Resources()) {
			t.Fatalf("signed were %v", c.Rlimits)
		}
		for i, l := range c.Rlimits {
			if l.Resource.String() != client.Resources()[i] || l.Value != q.Command.Rlimits[l.Resource.String()] {
				t.Errorf("limit %d is %v", i, l)
			}
		}
	})
}

func TestAScriptHasAShellAndAPingHasNothing(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for _, c := range []client.Command{{Script: []byte("date\n")}, {Ping: true}, {Script: []byte("x"), Interpreter: []string{"/usr/bin/python3", "-"}}} {
			_, err := r.Run(t.Context(), client.Request{All: true, Command: c})
			must(t, err)
		}
		var got []string
		for _, s := range r.access.submitted {
			p, err := capsule.Open(wire.EnvelopeFromProto(s.header.GetCapsule()))
			must(t, err)
			got = append(got, fmt.Sprint(p.Class, p.Command.Kind, p.Command.Interpreter))
		}
		if fmt.Sprint(got) != "[standard3 [/bin/sh] standard1 [] standard3 [/usr/bin/python3 -]]" {
			t.Errorf("signed were %v", got)
		}
		first, err := r.Sign(uptime(), mustResolve(t, r))
		must(t, err)
		second, err := r.Sign(uptime(), mustResolve(t, r))
		must(t, err)
		if first.ID == second.ID {
			t.Error("two jobs have one id")
		}
	})
}

func mustResolve(t *testing.T, r *rig) *client.Targets {
	t.Helper()
	targets, err := r.Resolve(t.Context(), uptime())
	must(t, err)
	return targets
}
