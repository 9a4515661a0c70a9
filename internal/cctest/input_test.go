package cctest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// badInput is one thing that a user can get wrong. Each is done in a cluster
// with two jobs that are done, older and newer.
type badInput struct {
	what string
	do   func(c *cctest.Cluster, older, newer client.Job) error
}

// forged sends a submission after making one thing wrong.
func forged(wrong func(*cctest.Submission)) func(*cctest.Cluster, client.Job, client.Job) error {
	return func(c *cctest.Cluster, _, _ client.Job) error {
		s := c.Forge([]string{"h1", "h2", "h3"}, "true")
		wrong(s)
		_, refused := c.Submit(s)
		return refused.Err()
	}
}

// tried sends a request that the SDK may already refuse.
func tried(r client.Request) func(*cctest.Cluster, client.Job, client.Job) error {
	return func(c *cctest.Cluster, _, _ client.Job) error {
		_, err := c.Try(r)
		return err
	}
}

func badInputs() []badInput {
	argv := client.Command{Argv: []string{"true"}}
	return []badInput{
		{"hosts that do not exist", tried(client.Request{Hosts: []string{"h1", "nobody", "10.9.9.9"}, Command: argv})},
		{"no hosts", tried(client.Request{Command: argv})},
		{"a selector that matches nothing", tried(client.Request{Selector: "room=nowhere", Command: argv})},
		{"a selector that does not parse", tried(client.Request{Selector: "room=bj01,app in (web,api", Command: argv})},
		{"a target list that is empty", forged(func(s *cctest.Submission) { s.Rooms = nil })},
		{"a target list that is not the signed one", forged(func(s *cctest.Submission) { s.Rooms[0].Targets = s.Rooms[0].GetTargets()[:1] })},
		{"a target list in another order", forged(func(s *cctest.Submission) { slices.Reverse(s.Rooms[0].GetTargets()) })},
		{"a target list with a host that does not exist", forged(func(s *cctest.Submission) { s.Rooms[0].Targets[1].HostId = "h11" })},
		{"a script past its limit", tried(client.Request{All: true, Command: client.Command{Script: make([]byte, 1<<20+1)}})},
		{"no command", tried(client.Request{All: true})},
		{"a class that does not exist", tried(client.Request{All: true, Class: "urgent", Command: argv})},
		{"a note past its limit", tried(client.Request{All: true, Note: strings.Repeat("x", 1025), Command: argv})},
		{"a time to live beyond the deadline", tried(client.Request{All: true, TTL: 2 * time.Hour, Deadline: time.Hour, Command: argv})},
		{"the id of a job with another body", func(c *cctest.Cluster, _, _ client.Job) error {
			s := c.Forge([]string{"h1"}, "true")
			if _, refused := c.Submit(s); refused.Code() != codes.OK {
				return fmt.Errorf("the first of the two was refused: %w", refused.Err())
			}
			s.Payload.Command.Argv = []string{"false"}
			_, refused := c.Submit(s)
			return refused.Err()
		}},
		{"an id of yesterday", forged(func(s *cctest.Submission) { s.Payload.JobID = cctest.NewID(time.Now().Add(-25 * time.Hour)) })},
		{"an id of tomorrow", forged(func(s *cctest.Submission) { s.Payload.JobID = cctest.NewID(time.Now().Add(25 * time.Hour)) })},
		{"a resolution that has expired", func(c *cctest.Cluster, _, _ client.Job) error {
			s := c.Forge([]string{"h1"}, "true")
			c.Advance(11 * time.Minute)
			_, refused := c.Submit(s)
			return refused.Err()
		}},
		{"a resolution of the future", forged(func(s *cctest.Submission) {
			s.Resolution = proto.CloneOf(s.Resolution)
			s.Resolution.ResolvedAt = timestamppb.New(time.Now().Add(time.Hour))
		})},
		{"a start-by that has passed", forged(func(s *cctest.Submission) {
			s.Payload.NotBefore, s.Payload.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
		})},
		{"a deadline that has passed", forged(func(s *cctest.Submission) { s.Rollout.Deadline = time.Now().Add(-time.Minute) })},
		{"a page token of another list of tasks", func(c *cctest.Cluster, older, newer client.Job) error {
			access := accessv1.NewAccessServiceClient(c.Conn())
			page, err := access.ListTasks(c.Context(), &accessv1.ListTasksRequest{JobId: older.ID, PageSize: 1})
			if err != nil || page.GetNextPageToken() == "" {
				return fmt.Errorf("the first page: %v, %w", page, err)
			}
			_, err = access.ListTasks(c.Context(), &accessv1.ListTasksRequest{JobId: newer.ID, PageSize: 1, PageToken: page.GetNextPageToken()})
			return err
		}},
		{"a page token of another list of jobs", func(c *cctest.Cluster, _, _ client.Job) error {
			access := accessv1.NewAccessServiceClient(c.Conn())
			page, err := access.ListJobs(c.Context(), &accessv1.ListJobsRequest{PageSize: 1})
			if err != nil || page.GetNextPageToken() == "" {
				return fmt.Errorf("the first page: %v, %w", page, err)
			}
			_, err = access.ListJobs(c.Context(), &accessv1.ListJobsRequest{PageSize: 1, PageToken: page.GetNextPageToken(), Submitter: "bob"})
			return err
		}},
		{"a page token of another list of hosts", func(c *cctest.Cluster, _, _ client.Job) error {
			access := accessv1.NewAccessServiceClient(c.Conn())
			page, err := access.ListHosts(c.Context(), &accessv1.ListHostsRequest{PageSize: 1})
			if err != nil || page.GetNextPageToken() == "" {
				return fmt.Errorf("the first page: %v, %w", page, err)
			}
			_, err = access.ListHosts(c.Context(), &accessv1.ListHostsRequest{PageSize: 1, PageToken: page.GetNextPageToken(), Selector: "app=web"})
			return err
		}},
		{"a page token that is none", func(c *cctest.Cluster, _, _ client.Job) error {
			_, err := accessv1.NewAccessServiceClient(c.Conn()).ListHosts(c.Context(), &accessv1.ListHostsRequest{PageToken: "next"})
			return err
		}},
		{"a job that does not exist", func(c *cctest.Cluster, _, _ client.Job) error {
			_, err := c.Client().Job(c.Context(), cctest.NewID(time.Now()).String())
			return err
		}},
		{"a job id that is none", func(c *cctest.Cluster, _, _ client.Job) error {
			_, err := c.Client().Job(c.Context(), "42")
			return err
		}},
		{"a host that does not exist", func(c *cctest.Cluster, _, _ client.Job) error {
			_, err := c.Client().Host(c.Context(), "nobody")
			return err
		}},
		{"a cancel of a job that is done", func(c *cctest.Cluster, older, _ client.Job) error {
			_, err := c.Client().Cancel(c.Context(), older.ID, client.Cancel{ExpectedControlRevision: older.ControlRevision + 7})
			return err
		}},
	}
}

func TestBadInputGetsAClearErrorAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 3})
		older := c.Settles(c.Run(everywhere(uptime())))
		newer := c.Settles(c.Run(everywhere(uptime())))
		var text strings.Builder
		for _, in := range badInputs() {
			before := jobs(t, c)
			err := in.do(c, older, newer)
			if err == nil {
				t.Errorf("%s was taken", in.what)
			}
			if in.what == "the id of a job with another body" {
				before++ // the first of the two is a job
			}
			if after := jobs(t, c); after != before {
				t.Errorf("%s changed something: %d jobs before, %d after", in.what, before, after)
			}
			fmt.Fprintf(&text, "%s:\n    %s\n", in.what, said(err))
		}
		golden(t, "errors.golden", text.String())
	})
}

func jobs(t *testing.T, c *cctest.Cluster) (n int) {
	t.Helper()
	for _, err := range c.Client().Jobs(t.Context(), client.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`(1999-12|2000-01)-[0-9]{2}T[0-9:.]+Z`)
	spans = regexp.MustCompile(`\b([0-9]+h)?([0-9]+m)?[0-9]+\.[0-9]+s\b`)
)

// said is what a person reads, with what differs from run to run taken out.
func said(err error) string {
	text := "no error"
	if s, ok := status.FromError(err); ok && err != nil {
		text = s.Code().String() + ": " + s.Message()
	} else if err != nil {
		text = err.Error()
	}
	text = uuids.ReplaceAllString(text, "<job id>")
	text = times.ReplaceAllString(text, "<time>")
	return spans.ReplaceAllString(text, "<span>")
}

// golden compares a text with the file of that name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what came (write it anew with -rewrite):\n%s", file, got)
	}
}

func TestTheSameJobTwiceIsOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		s := c.Forge(c.Hosts(), "true")
		first, refused := c.Submit(s)
		if refused.Code() != codes.OK || first.GetExisted() {
			t.Fatalf("the first: %v, %v", first, refused)
		}
		c.Settles(c.Job(first.GetJob().GetId()))
		again, refused := c.Submit(s)
		if refused.Code() != codes.OK || !again.GetExisted() || again.GetJob().GetId() != first.GetJob().GetId() {
			t.Errorf("the second: %v, %v", again, refused)
		}
		if n := jobs(t, c); n != 1 {
			t.Errorf("there are %d jobs", n)
		}
		for _, h := range c.Hosts() {
			if n := c.Host(h).Starts(); n != 1 {
				t.Errorf("%s started it %d times", h, n)
			}
		}
	})
}
