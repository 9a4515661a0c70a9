package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestOutputsOfAJobAreShownInFull(t *testing.T) {
	transcript(t, "output", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
		r.run(ctx, "output", "JOB")
		r.run(ctx, "output", "JOB", "h5")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "output", "JOB")
		r.run(ctx, "output", "JOB", "--stderr")
		r.run(ctx, "output", "JOB", "--grouped")
		r.run(ctx, "output", "JOB", "--grouped", "--stderr")
		if status := r.run(ctx, "output", "JOB", "--raw"); status != exitOK || r.stdout != "up 3 days\nup 3 days\nup 3 days\nno newlinexxxxxxxxxx\n" {
			t.Errorf("exit status %d, %q", status, r.stdout)
		}
		r.run(ctx, "output", "JOB", "h5")
		r.run(ctx, "output", "JOB", "h5", "--raw")
		r.run(ctx, "output", "JOB", "h5", "--raw", "--stderr")
		r.run(ctx, "output", "JOB", "h5", "--stderr")
		r.run(ctx, "output", "JOB", "h8")
		r.run(ctx, "output", "JOB", "h8", "--grouped")
		r.run(ctx, "output", "JOB", "h9")
		r.run(ctx, "output", "JOB", "h5", "-o", "json")
		r.run(ctx, "output", "JOB", "h8", "-o", "yaml")
		r.run(ctx, "output", "nothing")
	})
}

func TestOutputsOfAJobThatGoesOnAreShownAsFarAsTheyAre(t *testing.T) {
	transcript(t, "output-partial", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
		r.access.mu.Lock()
		j := r.access.jobs[0]
		r.access.end(j, j.tasks[1], j.job.GetCreatedAt().AsTime())
		r.access.count(j)
		r.access.mu.Unlock()
		if status := r.run(ctx, "output", "JOB"); status != exitSome {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "output", "JOB", "h2")
		r.run(ctx, "output", "JOB", "h3")
		r.run(ctx, "run", "--hosts", "h1", "--detach", "--", "uptime")
		r.run(ctx, "output", "JOB", "-o", "json")
	})
}

func TestWhatHostsSignedIsVerified(t *testing.T) {
	transcript(t, "output-verify", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--", "true")
		if status := r.run(ctx, "output", "JOB", "--verify"); status != exitOK {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "output", "JOB", "h1", "--verify")

		r.access.outcome = mixed
		r.access.lie = func(t *typesv1.Task) {
			switch t.GetHostId() {
			case "h5":
				t.Result.Status.State, t.Result.Status.ExitCode = typesv1.TaskState_TASK_STATE_SUCCEEDED, 0
			case "h6":
				t.Result.Signature = nil
			}
		}
		r.run(ctx, "run", "--all", "--", "uptime")
		for _, how := range []string{"", "--raw", "--grouped"} {
			args := []string{"output", "JOB", "--verify"}
			if how != "" {
				args = append(args, how)
			}
			if status := r.run(ctx, args...); status != exitSome {
				t.Errorf("exit status %d", status)
			}
			if strings.Contains(r.stdout, "boom") {
				t.Error("what nobody vouches for was shown")
			}
		}
		r.run(ctx, "output", "JOB", "h5", "--verify", "-o", "json")
		r.run(ctx, "output", "JOB", "h3", "--verify")
		r.run(ctx, "output", "JOB", "h1", "--verify")
		for digest := range r.access.blobs {
			r.access.blobs[digest] = []byte("up 3 years")
		}
		r.run(ctx, "output", "JOB", "h1", "--verify")
		r.run(ctx, "output", "JOB", "h1")
	})
}

func TestAnOutputThatCannotBeReadDoesNotKeepBackTheOthers(t *testing.T) {
	transcript(t, "output-lost", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
		r.run(ctx, "job", "watch", "JOB")
		for digest, content := range r.access.blobs {
			switch string(content) {
			case "boom\n":
				delete(r.access.blobs, digest)
			case "xxxxxxxxxx\n":
				r.access.blobs[digest] = []byte("xxxxxxxxx")
			}
		}
		for _, line := range [][]string{
			{"output", "JOB"},
			{"output", "JOB", "--grouped"},
			{"output", "JOB", "--grouped", "--stderr"},
			{"output", "JOB", "--raw"},
			{"output", "JOB", "h5"},
			{"output", "JOB", "h8", "--raw"},
			{"output", "JOB", "--verify"},
			{"job", "watch", "JOB"},
		} {
			if got := r.run(ctx, line...); got != exitSome {
				t.Errorf("%v: exit status %d", line, got)
			}
		}
		for _, host := range []string{"h5", "h8"} {
			if got := r.run(ctx, "output", "JOB", host, "-o", "json"); got != exitSome || !json.Valid([]byte(r.stdout)) {
				t.Errorf("exit status %d", got)
			}
		}
		r.access.outcome = nil
		r.run(ctx, "run", "--hosts", "h1", "--", "true")
	})
}

func TestADocumentThatBreaksOffCanBeRead(t *testing.T) {
	inBubble(t, func(ctx context.Context, r *rig) {
		r.access.outcome = func(host string) outcome { return outcome{state: task.Succeeded, stdout: host} }
		outputs := 0
		r.access.fail = func(method string) error {
			if method == "GetOutput" {
				outputs++
				if outputs > 2 {
					return status.Error(codes.PermissionDenied, "no")
				}
			}
			return nil
		}
		for _, args := range [][]string{{"run", "--all", "-o", "json", "--", "x"}, {"output", "JOB", "-o", "json"}} {
			outputs = 0
			got := r.run(ctx, args...)
			var doc resultsDocument
			if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || got != exitDenied || len(doc.Tasks) != 2 {
				r.t.Errorf("%v: exit status %d, %v, %d tasks:\n%s", args, got, err, len(doc.Tasks), r.stdout)
			}
		}
	})
}

func TestATerminalIsLeftAsItWas(t *testing.T) {
	transcript(t, "terminal", func(ctx context.Context, r *rig) {
		r.access.outcome = func(host string) outcome {
			return outcome{state: task.Succeeded, stdout: red + "hot " + host, stderr: yellow + "warm"}
		}
		for _, r.width = range []int{80, 0} {
			r.run(ctx, "run", "--hosts", "h1", "--", "x")
			r.run(ctx, "run", "--hosts", "h1,h2", "--", "x")
			r.run(ctx, "output", "JOB", "h1", "--stderr")
			r.run(ctx, "output", "JOB", "h1", "--raw")
		}
	})
}

func TestADocumentIsPrintedOfAJobThatIsLeft(t *testing.T) {
	left := func(ctx context.Context, r *rig) {
		if got := r.run(ctx, "run", "--all", "-o", "json", "--", "x"); got != exitUnknown || !json.Valid([]byte(r.stdout)) {
			r.t.Errorf("exit status %d", got)
		}
		wait(2 * time.Second) // for the servers to come to their end
	}
	transcript(t, "run-left", func(ctx context.Context, r *rig) {
		if r.run(ctx, "job", "watch", "nothing", "-o", "json"); r.stdout != "" {
			t.Errorf("of no job there is a document: %s", r.stdout)
		}
		r.access.hang = true
		running, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		left(running, r)
	})
	transcript(t, "run-left-halfway", func(ctx context.Context, r *rig) {
		r.access.outcome = succeeded
		r.access.halfway = func() { r.interrupt() }
		left(ctx, r)
	})
}

func TestAHostIsExplained(t *testing.T) {
	transcript(t, "explain", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--detach", "--", "sleep", "3600")
		wait(plainEvery)
		r.run(ctx, "explain", "JOB", "h3")
		r.run(ctx, "explain", "JOB", "h3", "-o", "json")
		r.run(ctx, "explain", "JOB", "h9")
		r.run(ctx, "explain", "nothing", "h1")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "explain", "JOB", "h1")
		r.run(ctx, "run", "--all", "--batch", "7", "--detach", "--", "reboot")
		r.run(ctx, "explain", "JOB", "h8")
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "explain", "JOB", "h8")
		r.run(ctx, "run", "--all", "--batch", "2", "--detach", "--", "reboot")
		r.run(ctx, "explain", "JOB", "h8", "-o", "json")
	})
}

func TestADocumentKeepsNoMoreOutputsThanItsBound(t *testing.T) {
	inBubble(t, func(ctx context.Context, r *rig) {
		r.access.outcome = func(host string) outcome {
			return outcome{state: task.Succeeded, stdout: strings.Repeat(host[1:], 3<<20), stderr: "the same of all"}
		}
		r.run(ctx, "run", "--all", "--detach", "--", "x")
		ctl, err := r.open(client.Config{})
		must(r.t, err)
		for _, err := range ctl.Watch(ctx, r.last, 0) {
			must(r.t, err)
		}
		c := &contents{app: &app{zone: time.UTC}, ctl: ctl, job: r.last}
		r.access.fetched = 0
		for task, err := range ctl.Tasks(ctx, r.last, client.TaskFilter{}) {
			must(r.t, err)
			d, err := c.document(ctx, task)
			must(r.t, err)
			if d.Stdout == nil || len(*d.Stdout) != 3<<20 || *d.Stderr != "the same of all" || c.size > maxKept {
				r.t.Errorf("%s has %d bytes of stdout, and %d bytes are kept", task.Host, d.StdoutSize, c.size)
			}
		}
		if n := r.access.fetched; n >= 16 || n < 9 {
			r.t.Errorf("%d outputs were fetched", n)
		}
	})
}
