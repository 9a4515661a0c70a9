// Package badinput proves that what cannot be is refused with a text that says
// what, where and what to do now, and that nothing has changed afterwards. The
// texts are in testdata: `go test ./e2e/badinput -rewrite`, then read them.
package badinput

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestMain(m *testing.M) {
	flag.Bool("rewrite", false, "write the transcripts anew instead of comparing them")
	flag.Parse()
	os.Exit(m.Run())
}

func TestBadInputIsRefusedInWordsAndChangesNothing(t *testing.T) {
	c := rig.Start(t, devcluster.Options{Hosts: 4})
	w := rig.NewWitness(t)
	before := jobs(t, c)
	compare(t, "testdata/ccsctl.txt", ccsctlTranscript(t, c, w))
	compare(t, "testdata/wire.txt", wireTranscript(t, c, w))
	// One job of the wire's transcript was good, and is the control that the
	// others failed for what is wrong with them.
	if after := jobs(t, c); len(after) != len(before)+1 {
		t.Errorf("there are jobs now that should not be: %v", after)
	}
	if lines := w.Lines(t); len(lines) != 4 {
		t.Errorf("%d commands were started, want the 4 of the good job", len(lines))
	}
}

func jobs(t *testing.T, c *rig.Cluster) (ids []string) {
	t.Helper()
	for j, err := range c.SDK.Jobs(t.Context(), client.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	return ids
}

// ccsctlTranscript is what a person sees.
func ccsctlTranscript(t *testing.T, c *rig.Cluster, w rig.Witness) string {
	t.Helper()
	big := filepath.Join(t.TempDir(), "big.sh")
	if err := os.WriteFile(big, []byte(w.Says("started")+strings.Repeat("#", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	start := []string{"--", "sh", "-c", w.Says("started")}
	var b strings.Builder
	for _, args := range [][]string{
		append([]string{"run", "--hosts", "h1,nowhere,h99"}, start...),
		append([]string{"run"}, start...),
		append([]string{"run", "--selector", "room=bj01,app in (web"}, start...),
		append([]string{"run", "--selector", "room=bj01,=web"}, start...),
		append([]string{"run", "--selector", "room=nowhere"}, start...),
		{"run", "--all", "--file", big},
		{"run", "--all"},
		append([]string{"run", "--all", "--class", "gold"}, start...),
		append([]string{"run", "--all", "--concurrency", "0%"}, start...),
		append([]string{"run", "--all", "--deadline", "1m", "--ttl", "1h"}, start...),
		append([]string{"run", "--all", "--note", strings.Repeat("n", 1025)}, start...),
		{"job", "get", "not-an-id"},
		{"job", "get", "0192f0c4-7a3e-7b2a-9c1d-0123456789ab"},
		{"job", "cancel", "0192f0c4-7a3e-7b2a-9c1d-0123456789ab"},
		{"task", "list", "0192f0c4-7a3e-7b2a-9c1d-0123456789ab"},
		{"host", "get", "nowhere"},
		{"host", "list", "--selector", "room in ()"},
		{"no-such-verb"},
	} {
		said := c.Ctl(t, args...)
		fmt.Fprintf(&b, "$ ccsctl %s\n", strings.ReplaceAll(line(args), big, "big.sh"))
		fmt.Fprintf(&b, "%s%s[exit status %d]\n\n", said.Out, said.Err, said.Status)
		if said.Status == 0 {
			t.Errorf("ccsctl %s ended with status 0", line(args))
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), w.Path, "WITNESS"), big, "big.sh")
}

// line is a command line with what is long cut short.
func line(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if len(a) > 200 {
			a = fmt.Sprintf("%.8s…(%d bytes)", a, len(a))
		}
		if strings.ContainsAny(a, " ;()") {
			a = "'" + a + "'"
		}
		words[i] = a
	}
	return strings.Join(words, " ")
}

// wireTranscript is what a client hears that says what ccsctl never would.
func wireTranscript(t *testing.T, c *rig.Cluster, w rig.Witness) string {
	t.Helper()
	raw := newRaw(t, c)
	var b strings.Builder
	say := func(what string, err error) { fmt.Fprintf(&b, "%s\n    %s\n", what, answer(err)) }

	taken := raw.good(t, w)
	_, err := raw.submit(t, taken)
	say("a good job", err)
	rig.WantAll(t, c.Settled(t, taken.payload.JobID.String()), 4, "SUCCEEDED")
	again, err := raw.submit(t, taken)
	say(fmt.Sprintf("the same again (existed: %v)", again.GetExisted()), err)
	other := taken
	other.payload.Command.Argv = []string{"sh", "-c", w.Says("started") + ":"}
	_, err = raw.submit(t, other)
	say("another body under its id", err)

	for _, bad := range []struct {
		what  string
		spoil func(*submission)
	}{
		{"a capsule of version 3", func(s *submission) { s.tamper = func(payload []byte) []byte { payload[0] = 3; return payload } }},
		{"an extension that nobody knows", func(s *submission) { s.tamper = extended(77) }},
		{"an umask of 1000", func(s *submission) { s.tamper = extended(1, 2, 0) }},
		{"an rlimit of a resource that there is not", func(s *submission) { s.tamper = extended(2, 99, 0, 0, 0, 0, 0, 0, 0, 1) }},
		{"an rlimit without its value", func(s *submission) { s.tamper = extended(2, 1) }},
		{"an OOM score of 1001", func(s *submission) { s.tamper = extended(3, 1001>>8, 1001&0xff) }},
		{"an id of 25 hours ago", func(s *submission) { s.payload.JobID = idOf(-25 * time.Hour) }},
		{"an id of 25 hours ahead", func(s *submission) { s.payload.JobID = idOf(25 * time.Hour) }},
		{"a resolution of 11 minutes ago", func(s *submission) { s.resolved.ResolvedAt = timestamppb.New(time.Now().Add(-11 * time.Minute)) }},
		{"a resolution of tomorrow", func(s *submission) { s.resolved.ResolvedAt = timestamppb.New(time.Now().Add(24 * time.Hour)) }},
		{"an empty target list", func(s *submission) { s.rooms = nil }},
		{"a target list that lacks a host of the signed one", func(s *submission) { s.rooms[0].Targets = s.rooms[0].GetTargets()[1:] }},
		{"a host that there is not", func(s *submission) { s.rooms[0].Targets[0].HostId = "h0" }},
		{"hosts out of order", func(s *submission) {
			targets := s.rooms[0].GetTargets()
			targets[0], targets[1] = targets[1], targets[0]
		}},
		{"a class that there is not", func(s *submission) { s.payload.Class = "gold" }},
		{"no deadline", func(s *submission) { s.rollout.Deadline = nil }},
		{"a deadline that has passed", func(s *submission) { s.rollout.Deadline = timestamppb.New(time.Now().Add(-time.Hour)) }},
		{"a note that is too long", func(s *submission) { s.note = strings.Repeat("n", 1025) }},
	} {
		s := raw.good(t, w)
		bad.spoil(&s)
		_, err := raw.submit(t, s)
		say(bad.what, err)
	}
	wireTokens(t, raw, taken.payload.JobID.String(), say)
	return b.String()
}

// wireTokens takes page tokens to lists that they are not of.
func wireTokens(t *testing.T, raw rawClient, jobID string, say func(string, error)) {
	t.Helper()
	page, err := raw.access.ListTasks(t.Context(), &accessv1.ListTasksRequest{JobId: jobID, PageSize: 2})
	if err != nil || page.GetNextPageToken() == "" {
		t.Fatalf("no page token: %v", err)
	}
	token := page.GetNextPageToken()
	_, err = raw.access.ListHosts(t.Context(), &accessv1.ListHostsRequest{PageSize: 2, PageToken: token})
	say("a page token of a task list for the host list", err)
	_, err = raw.access.ListJobs(t.Context(), &accessv1.ListJobsRequest{PageSize: 2, PageToken: token})
	say("a page token of a task list for the job list", err)
	_, err = raw.access.ListTasks(t.Context(), &accessv1.ListTasksRequest{JobId: jobID, PageSize: 2, PageToken: token, Host: "h1"})
	say("a page token of a task list under another filter", err)
	_, err = raw.access.ListTasks(t.Context(), &accessv1.ListTasksRequest{JobId: jobID, PageSize: 2, PageToken: "made up"})
	say("a page token that is made up", err)
}

func idOf(off time.Duration) job.ID { return job.NewID(time.Now().Add(off), [10]byte{4, 5, 6}) }

// What differs from run to run.
var (
	moment = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC| \+0000 UTC)?`)
	span   = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?m?s\b`)
	newID  = regexp.MustCompile(`\b0[0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
)

// compare holds a transcript against the committed one.
func compare(t *testing.T, file, got string) {
	t.Helper()
	got = moment.ReplaceAllString(got, "TIME")
	got = span.ReplaceAllString(got, "SPAN")
	got = newID.ReplaceAllStringFunc(got, func(id string) string {
		if strings.HasPrefix(id, "0192f0c4-7a3e") {
			return id // the one that is asked for
		}
		return "ID"
	})
	if flag.Lookup("rewrite").Value.String() == "true" {
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
		t.Errorf("%s: the texts have changed (-rewrite, then read the difference), first here:\n%s", file, difference(string(want), got))
	}
}

// difference is the first place where two texts differ.
func difference(want, got string) string {
	wanted, lines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(lines)) {
		w, g := at(wanted, i), at(lines, i)
		if w != g {
			return fmt.Sprintf("line %d\n  was %s\n  is  %s", i+1, w, g)
		}
	}
	return "nowhere"
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}
