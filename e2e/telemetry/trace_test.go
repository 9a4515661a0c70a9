package telemetry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
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
		if len(way) == 0 || way[len(way)-1].id != root.id {
			t.Errorf("the way up from executor.run does not lead to the submission: %v", way)
		}
		var services []string
		for _, one := range way {
			services = append(services, one.service)
		}
		want := []string{"ccs-executor", "ccs-agent", "ccs-aggregator", "ccs-scheduler", "ccs-access"}
		if got := slices.Compact(services); !slices.Equal(got, want) {
			t.Errorf("the way up leads through %v, want %v", got, want)
		}
	}
	aLineNamesTheTrace(t, c, root.trace)

	// With the end of a process its last spans come: now it is known that there
	// were no more.
	c.Stop(t, all(c)...)
	for _, name := range []string{"scheduler.release", "executor.start", "executor.run"} {
		if n := len(named(s.of(job.ID), name)); n != sampled {
			t.Errorf("%d tasks of %d have a span %s, want %d", n, o.Hosts, name, sampled)
		}
	}
	for _, one := range s.of(job.ID) {
		if one.trace != root.trace {
			t.Errorf("%s of %s is of another trace", one.name, one.service)
		}
	}
	for _, one := range s.all() {
		if one.parent != "" && one.trace == root.trace && !slices.ContainsFunc(s.all(), func(p span) bool { return p.id == one.parent }) {
			t.Errorf("%s of %s has a parent that nobody has sent", one.name, one.service)
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
func upward(t *testing.T, s *sink, from span) []span {
	t.Helper()
	way := []span{from}
	for at := from; at.parent != ""; way = append(way, at) {
		above := slices.DeleteFunc(s.all(), func(p span) bool { return p.id != at.parent || p.trace != at.trace })
		if len(above) != 1 || len(way) > 20 {
			t.Errorf("%s of %s has a parent that nobody has sent", at.name, at.service)
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

// An access that does not begin traces has none made, whatever else is asked for.
func TestWithARatioOfZeroNothingIsTraced(t *testing.T) {
	s := newSink(t)
	o := s.settings(map[string]map[string]any{"access": {"trace.ratio": 0}, "issuer": {"trace.ratio": 0}})
	o.Hosts, o.Rooms, o.AggregatorsPerRoom = 2, []string{"bj01"}, 1
	c := rig.Start(t, o)
	job := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, job.ID), o.Hosts, "SUCCEEDED")
	c.Stop(t, all(c)...)
	for _, one := range s.all() {
		t.Errorf("there is a span %s of %s", one.name, one.service)
	}
}
