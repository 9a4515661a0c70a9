package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestJobsAndTasksAreListedAsOneAsksForThem(t *testing.T) {
	transcript(t, "list", func(ctx context.Context, r *rig) {
		r.run(ctx, "job", "list")
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--note", "look", "--account", "ops", "--detach", "--", "uptime")
		r.run(ctx, "task", "list", "JOB", "--failed")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "task", "list", "JOB")
		r.run(ctx, "task", "list", "JOB", "--failed")
		r.run(ctx, "task", "list", "JOB", "--state", "failed,unknown")
		r.run(ctx, "task", "list", "JOB", "--failed", "--state", "succeeded", "--host", "h1")
		r.run(ctx, "task", "list", "JOB", "-o", "wide")
		r.run(ctx, "run", "--hosts", "h1", "--detach", "--", "echo", "检查磁盘", "\x1b[2J\n")
		r.run(ctx, "job", "list")
		r.run(ctx, "job", "list", "-o", "wide")
		r.run(ctx, "job", "list", "-n", "1")
		r.run(ctx, "job", "list", "--state", "running")
		r.run(ctx, "job", "list", "--submitter", "bob")
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "job", "get", "JOB", "-o", "wide")
	})
}

// userFiles writes certificate and key of a user beside the configuration.
func (r *rig) userFiles(name string) {
	r.t.Helper()
	ca, err := identity.NewCA("demo.ccs", time.Hour, time.Now())
	must(r.t, err)
	id, err := identity.NewID("demo.ccs", identity.User, name)
	must(r.t, err)
	c, err := ca.IssueWithKey(identity.Request{ID: id, TTL: time.Minute}, time.Now())
	must(r.t, err)
	f := identity.Files{Cert: filepath.Join(r.dir, "me.crt"), Key: filepath.Join(r.dir, "me.key"), CA: filepath.Join(r.dir, "ca.crt")}
	must(r.t, c.Save(f))
	_, err = identity.NewSource(f, slog.New(slog.DiscardHandler))
	must(r.t, err)
}

func TestMineAreTheJobsOfTheUserOfTheCertificate(t *testing.T) {
	transcript(t, "list-mine", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--hosts", "h1", "--detach", "--", "uptime")
		r.userFiles("ann")
		r.run(ctx, "job", "list", "--submitter", "mine")
		r.userFiles("bob")
		r.run(ctx, "job", "list", "--submitter", "mine")
	})
}

// printed is what a listing prints item by item, and what encode prints of the
// same at once.
func printed(t *rapid.T, format string, items []map[string]string) (piecemeal, whole string) {
	type document struct {
		Head  map[string]int      `json:"head"`
		Items []map[string]string `json:"items"`
	}
	head := map[string]int{"n": len(items)}
	var one, other bytes.Buffer
	a := &app{stdout: &one, output: format}
	list := a.list(struct {
		Head map[string]int `json:"head"`
	}{head}, "items")
	for _, item := range items {
		if err := list.add(item); err != nil {
			t.Fatal(err)
		}
	}
	if err := list.end(); err != nil {
		t.Fatal(err)
	}
	a.stdout = &other
	if err := a.encode(document{head, append([]map[string]string{}, items...)}); err != nil {
		t.Fatal(err)
	}
	return one.String(), other.String()
}

func TestADocumentThatIsPrintedItemByItemIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,8}(\n[ -~]{0,8}){0,3}`), rapid.String())
		items := rapid.SliceOfN(rapid.MapOfN(rapid.StringMatching(`[a-z]{1,4}`), text, 1, 3), 0, 4).Draw(t, "items")
		for _, format := range []string{formatJSON, formatYAML} {
			if piecemeal, whole := printed(t, format, items); piecemeal != whole {
				t.Fatalf("%s\ngot\n%s\nwant\n%s", format, piecemeal, whole)
			}
		}
	})
}

func TestTablesLineUpWhateverIsInThem(t *testing.T) {
	var b bytes.Buffer
	a := &app{stdout: &b}
	must(t, a.table([]string{"A", "B", "STATE"}, [][]string{
		{"检查", "x", "FAILED"},
		{"e\u0301", "", "SUCCEEDED"},
		{"plain", "한글", ""},
	}))
	want := "A      B     STATE\n检查   x     FAILED\ne\u0301            SUCCEEDED\nplain  한글\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	for text, want := range map[string]string{
		"short": "short", "检查磁盘检查": "检...", "a longer text": "a longe...", "tab\tand\x1b[2J": "tab and...", "\u0085x": " x",
	} {
		if got := short(text, 10); got != want && textColumns(got) > 10 {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestOutcomesAreColouredOnATerminalAndNowhereElse(t *testing.T) {
	transcript(t, "colour", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.width = 80
		r.run(ctx, "run", "--hosts", "h1,h3,h5", "--", "uptime")
		r.run(ctx, "task", "list", "JOB")
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "host", "list", "--room", "bj01")
		r.run(ctx, "task", "list", "JOB", "-o", "json")
		r.run(ctx, "task", "list", "JOB", "--no-color")
		r.env["NO_COLOR"] = "1"
		r.run(ctx, "task", "list", "JOB")
		r.env["NO_COLOR"] = ""
		r.env["TERM"] = "dumb"
		r.run(ctx, "task", "list", "JOB")
		r.env["TERM"], r.width = "xterm", 0
		r.run(ctx, "task", "list", "JOB")
	})
}

// manyHosts is a fleet of 250 hosts in rooms of unequal size.
func manyHosts() (all []fleet.Host) {
	h := fleetOf()[0]
	for i := range 250 {
		h.ID, h.Address = fleet.HostID("n"+sprint(i+1)), "10.1.0."+sprint(i+1)
		h.Room = fleet.Room("r" + sprint(i%16*i%16))
		h.PublicKey[0], h.PublicKey[1] = byte(i), 1 // they sign nothing
		h.Incarnation[1] = byte(i)
		all = append(all, h)
	}
	return all
}

func succeeded(string) outcome { return outcome{state: task.Succeeded} }
