package policy_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

// host is all that a host does with what comes to it, in the order of
// architecture section 7.
func host(e capsule.Envelope, b policy.Bundle, id fleet.HostID, in fleet.Incarnation, proof capsule.InclusionProof, now time.Time) (task.State, task.Reason) {
	if b.Stale(now) {
		return task.Refused, task.BundleStale
	}
	v, err := capsule.Verify(e, b)
	if err == nil {
		err = capsule.CheckTimes(now, v.Payload, 1, capsule.ClockSkew)
	}
	if err == nil {
		err = v.Payload.CheckTarget(id, in, proof)
	}
	return capsule.Outcome(err)
}

func TestAHostStartsWhatAKnownUserSignedForItAndNothingElse(t *testing.T) {
	now := newYear.Add(-time.Hour)
	in := fleet.Incarnation{1}
	hosts := []fleet.HostID{"h1", "h2", "h3"}
	var leaves []capsule.Hash
	for _, h := range hosts {
		leaves = append(leaves, capsule.LeafHash(h, in))
	}
	tree, err := capsule.NewTree(leaves)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := tree.Inclusion(1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := capsule.Sign(capsule.Payload{
		JobID: job.NewID(now, [10]byte{}), Class: "standard", Root: tree.Root(), Count: 3,
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Minute),
		Command: capsule.Command{Kind: capsule.Ping, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}, key(1))
	if err != nil {
		t.Fatal(err)
	}
	b := bundle(t, 1, ann)
	if state, reason := host(e, b, "h2", in, proof, now); state != task.Unspecified || reason != task.NoReason {
		t.Fatalf("what was signed for it: %v %v", state, reason)
	}
	for _, tc := range []struct {
		name   string
		state  task.State
		reason task.Reason
		is     func() (task.State, task.Reason)
	}{
		{"another host", task.Refused, task.NotTarget, func() (task.State, task.Reason) { return host(e, b, "h1", in, proof, now) }},
		{"another incarnation", task.Refused, task.NotTarget, func() (task.State, task.Reason) { return host(e, b, "h2", fleet.Incarnation{2}, proof, now) }},
		{"another user", task.Refused, task.BadSignature, func() (task.State, task.Reason) { return host(e, bundle(t, 2, bob), "h2", in, proof, now) }},
		{"too early", task.Refused, task.BadTime, func() (task.State, task.Reason) { return host(e, b, "h2", in, proof, now.Add(-7*time.Minute)) }},
		{"too late", task.Expired, task.StartByPassed, func() (task.State, task.Reason) { return host(e, b, "h2", in, proof, now.Add(2*time.Minute)) }},
		{"a stale bundle", task.Refused, task.BundleStale, func() (task.State, task.Reason) { return host(e, b, "h2", in, proof, now.Add(2*time.Hour)) }},
		{"no bundle", task.Refused, task.BundleStale, func() (task.State, task.Reason) { return host(e, policy.Bundle{}, "h2", in, proof, now) }},
		{"the bundle as a job", task.Refused, task.Malformed, func() (task.State, task.Reason) {
			other, err := policy.SignBundle(b, key(1))
			if err != nil {
				t.Fatal(err)
			}
			return host(other, b, "h2", in, proof, now)
		}},
	} {
		if state, reason := tc.is(); state != tc.state || reason != tc.reason {
			t.Errorf("%s: %v %v", tc.name, state, reason)
		}
	}
}

func TestEveryBundleComesBackAsItWasThroughItsTextForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var users []policy.User
		for i, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9._-]{1,64}`), 0, 20, rapid.ID).Draw(t, "names") {
			users = append(users, policy.User{Name: name, Key: public(byte(i + 1))})
		}
		b, err := policy.New(rapid.Uint64Min(1).Draw(t, "version"), time.Unix(rapid.Int64Range(0, 1<<37).Draw(t, "expires"), 0), users)
		if err != nil {
			t.Fatal(err)
		}
		e, err := policy.SignBundle(b, key(operator))
		if err != nil {
			t.Fatal(err)
		}
		text, err := e.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if e, err = capsule.ParseEnvelope(text); err != nil {
			t.Fatal(err)
		}
		got, err := policy.OpenBundle(e, public(operator))
		if err != nil || !reflect.DeepEqual(got, b) {
			t.Fatalf("%+v came back as %+v: %v", b, got, err)
		}
	})
}

func TestTheRefusalOfALongFaultyBundleIsShort(t *testing.T) {
	text := `{"version":1,"expires":"2027-01-01T00:00:00Z","users":[` + strings.Repeat(" ", 10_000) + `]}`
	_, err := policy.OpenBundle(capsule.Seal(policy.PayloadType, []byte(text), key(operator)), public(operator))
	if !errors.Is(err, policy.ErrMalformed) || len(fmt.Sprint(err)) > 500 {
		t.Error(err)
	}
}
