package executortest

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func saysWhoItIs(r rig) {
	first, err := r.Info(r.t.Context(), time.Time{})
	if err != nil {
		r.t.Fatal(err)
	}
	again, err := r.Info(r.t.Context(), time.Now())
	if err != nil || again.Incarnation != first.Incarnation || first.Incarnation.IsZero() {
		r.t.Errorf("the incarnation is %x, and then %x, %v", first.Incarnation, again.Incarnation, err)
	}
}

func sessionNumbers(r rig) {
	end := uint64(1)
	for _, count := range []uint32{1, 100, 10_000, 1} {
		first, err := r.ReserveSessions(r.t.Context(), count)
		if err != nil || first < end {
			r.t.Fatalf("%d numbers from %d, %v; those before end at %d", count, first, err, end)
		}
		end = first + uint64(count)
	}
	for _, count := range []uint32{0, 10_001} {
		if _, err := r.ReserveSessions(r.t.Context(), count); !errors.Is(err, wire.ErrInvalid) {
			r.t.Errorf("%d numbers: %v", count, err)
		}
	}
}

func runs(r rig) {
	o := order("one", "sh", "-c", "echo out; echo err >&2")
	if c := r.start(o); c.ID != "one" || c.Report.Attempt != 1 || c.Report.State < task.Accepted {
		r.t.Errorf("accepted as %+v", c)
	}
	c := r.ends("one", task.Succeeded, task.Exit{})
	if string(c.Context) != "context of one" || !c.RememberUntil.Equal(o.Spec.RememberUntil) {
		r.t.Errorf("context %q and E %s came back", c.Context, c.RememberUntil)
	}
	for i, text := range []string{"out\n", "err\n"} {
		stream := job.Stream(i + 1)
		want := job.OutputRef{Stream: stream, Digest: sha256.Sum256([]byte(text)), Size: uint64(len(text))}
		if c.Detail.Outputs[i] != want || r.output("one", 1, stream) != text {
			r.t.Errorf("output %d is %+v", stream, c.Detail.Outputs[i])
		}
	}
	if c.Detail.StartedAt.IsZero() || c.Detail.EndedAt.Before(c.Detail.StartedAt) {
		r.t.Errorf("from %s to %s", c.Detail.StartedAt, c.Detail.EndedAt)
	}
}

func exitStatus(r rig) {
	r.start(order("three", "sh", "-c", "exit 3"))
	r.ends("three", task.Failed, task.Exit{Code: 3})
}

func noFile(r rig) {
	r.start(order("gone", "no-such-program-anywhere"))
	r.ends("gone", task.StartFailed, task.Exit{Reason: task.NoFile})
}

func startsOnce(r rig) {
	o := order("once", "sh", "-c", "echo started")
	r.start(o)
	r.ends("once", task.Succeeded, task.Exit{})
	if again := r.start(o); again.Report.State != task.Succeeded {
		r.t.Errorf("started again it is %s", again.Report.State)
	}
	if got := r.output("once", 1, job.Stdout); got != "started\n" {
		r.t.Errorf("it wrote %q", got)
	}
}

func tooLate(r rig) {
	o := order("late", "true")
	o.Spec.StartBy = time.Now().Add(-time.Second)
	r.start(o)
	if c := r.ends("late", task.Expired, task.Exit{Reason: task.StartByPassed}); !c.Detail.StartedAt.IsZero() {
		r.t.Errorf("it started at %s", c.Detail.StartedAt)
	}
}

func cannotFollow(r rig) {
	second := order("second", "true")
	second.Attempt = 2
	if _, err := r.Start(r.t.Context(), second); !errors.Is(err, wire.ErrInvalid) {
		r.t.Errorf("attempt 2 of what is not known: %v", err)
	}
	r.start(order("ended", "true"))
	r.becomes("ended", task.Succeeded)
	second.Spec.ID = "ended"
	if _, err := r.Start(r.t.Context(), second); !errors.Is(err, wire.ErrInvalid) {
		r.t.Errorf("attempt 2 of what succeeded: %v", err)
	}
}

func timesOut(r rig) {
	o := order("slow", "sleep", "60")
	o.Spec.Run.Timeout = 300 * time.Millisecond
	r.start(o)
	r.ends("slow", task.TimedOut, task.Exit{Reason: task.Timeout, Signal: sigterm})
}

func outputLimit(r rig) {
	o := order("loud", "head", "-c", "5000", "/dev/zero")
	o.Spec.Run.Keep = 1000
	r.start(o)
	c := r.ends("loud", task.Succeeded, task.Exit{})
	if out := c.Detail.Outputs[0]; out.Size != 1000 || out.Cut != 4000 || out.Tail != 500 {
		r.t.Errorf("kept %d, cut %d, and of those kept %d after the cut", out.Size, out.Cut, out.Tail)
	}
	if got := r.output("loud", 1, job.Stdout); got != strings.Repeat("\x00", 1000) {
		r.t.Errorf("%d bytes are kept", len(got))
	}
}

func badRequests(r rig) {
	id, attempt, argv := order("Bad Id", "true"), order("bad", "true"), order("bad")
	attempt.Attempt = 0
	for what, o := range map[string]wire.StartOrder{"id": id, "attempt": attempt, "argv": argv} {
		if _, err := r.Start(r.t.Context(), o); !errors.Is(err, wire.ErrInvalid) {
			r.t.Errorf("an order with a bad %s: %v", what, err)
		}
	}
	succeeded := task.Report{Attempt: 1, State: task.Succeeded}
	if _, err := r.Decline(r.t.Context(), named("bad"), succeeded); !errors.Is(err, wire.ErrInvalid) {
		r.t.Errorf("declined with a success: %v", err)
	}
	if _, err := r.Signal(r.t.Context(), named("")); !errors.Is(err, wire.ErrInvalid) {
		r.t.Errorf("signal without an id: %v", err)
	}
}
