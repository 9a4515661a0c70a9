package telemetry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// sampled is how many tasks of a job have spans in these tests.
const sampled = 3

const submitCall = "ccs.access.v1.AccessService/SubmitJob"

func TestAJobIsOneTraceFromAccessToTheExecutors(t *testing.T) {
	s := newSink(t)
	o := s.settings(map[string]map[string]any{"scheduler": {"trace.tasks": sampled}})
	o.Hosts = 8
	c := rig.Start(t, o)
	job := c.Run(t, client.Request{Command: rig.Sh("echo hello")})
	rig.WantAll(t, c.Settled(t, job.ID), o.Hosts, "SUCCEEDED")
	rig.Eventually(t, func() string { return lacking(s.of(job.ID)) })
	root := named(s.of(job.ID), submitCall)[0]
	for _, run := range named(s.of(job.ID), "executor.run") {
		way := upward(t, s, run)
		if len(way) == 0 || way[len(way)-1].ID != root.ID {
			t.Errorf("the way up from executor.run does not lead to the submission: %v", way)
		}
		var services []string
		for _, one := range way {
			services = append(services, one.Service)
		}
		want := []string{"ccs-executor", "ccs-agent", "ccs-aggregator", "ccs-scheduler", "ccs-access"}
		if got := slices.Compact(services); !slices.Equal(got, want) {
			t.Errorf("the way up leads through %v, want %v", got, want)
		}
	}
	aLineNamesTheTrace(t, c, root.Trace)

	// With the end of a process its last spans come: now it is known that there
	// were no more.
	c.Stop(t, all(c)...)
	for _, name := range []string{"scheduler.release", "executor.start", "executor.run"} {
		if n := len(named(s.of(job.ID), name)); n != sampled {
			t.Errorf("%d tasks of %d have a span %s, want %d", n, o.Hosts, name, sampled)
		}
	}
	for _, one := range s.of(job.ID) {
		if one.Trace != root.Trace {
			t.Errorf("%s of %s is of another trace", one.Name, one.Service)
		}
	}
	for _, one := range s.Spans() {
		if one.Parent != "" && one.Trace == root.Trace && !slices.ContainsFunc(s.Spans(), func(p span) bool { return p.ID == one.Parent }) {
			t.Errorf("%s of %s has a parent that nobody has sent", one.Name, one.Service)
		}
	}
}

// lacking says which spans of a job have not come yet.
func lacking(spans []span) string {
	for name, n := range map[string]int{
		submitCall: 1, "scheduler.release": sampled, "aggregator.deliver": sampled,
		"agent.judge": sampled, "executor.start": sampled, "executor.run": sampled, "scheduler.settle": sampled,
	} {
		if got := len(named(spans, name)); got < n {
			return fmt.Sprintf("of %s there are %d spans, not %d", name, got, n)
		}
	}
	return ""
}

// upward is the way from a span through its parents to the root.
func upward(t *testing.T, s sink, from span) []span {
	t.Helper()
	way := []span{from}
	for at := from; at.Parent != ""; way = append(way, at) {
		above := slices.DeleteFunc(s.Spans(), func(p span) bool { return p.ID != at.Parent || p.Trace != at.Trace })
		if len(above) != 1 || len(way) > 20 {
			t.Errorf("%s of %s has a parent that nobody has sent", at.Name, at.Service)
			return nil
		}
		at = above[0]
	}
	return way
}

// aLineNamesTheTrace looks for it in the logs.
func aLineNamesTheTrace(t *testing.T, c *rig.Cluster, trace string) {
	t.Helper()
	var by []string
	for _, name := range c.Processes() {
		text, err := c.Log(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			var said map[string]any
			if json.Unmarshal([]byte(line), &said) == nil && said["trace_id"] == trace && said["span_id"] != nil {
				by = append(by, fmt.Sprint(name, ": ", said["msg"]))
			}
		}
	}
	if len(by) == 0 {
		t.Error("no log has a line with the trace of the job")
	}
	t.Logf("the trace is named by %q", by)
}

// An access that does not begin traces has none made, whatever else is asked for:
// nor an issuer, and not for callers either who say that they are in one.
func TestWithARatioOfZeroNothingIsTraced(t *testing.T) {
	s := newSink(t)
	o := s.settings(map[string]map[string]any{"access": {"trace.ratio": 0}, "issuer": {"trace.ratio": 0}})
	o.Hosts, o.Rooms, o.AggregatorsPerRoom = 2, []string{"bj01"}, 1
	c := rig.Start(t, o)
	job := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, job.ID), o.Hosts, "SUCCEEDED")
	forge(t, c)
	c.Stop(t, all(c)...)
	for _, one := range s.Spans() {
		t.Errorf("there is a span %s of %s", one.Name, one.Service)
	}
}

// forge calls access and issuer as one whose trace is sampled.
func forge(t *testing.T, c *rig.Cluster) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	access := accessv1.NewAccessServiceClient(dial(t, c.UserFiles(), identity.Access, c.AccessAddresses()[0]))
	if _, err := access.ListHosts(ctx, &accessv1.ListHostsRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Listeners() {
		if l.Tier != "issuer" || l.Key != "listen" {
			continue
		}
		issuer := enrolv1.NewEnrolServiceClient(dial(t, c.UserFiles(), identity.Issuer, l.Address))
		if _, err := issuer.EnrolHost(ctx, &enrolv1.EnrolHostRequest{}); err == nil {
			t.Error("a host is enrolled without a token")
		}
	}
}
