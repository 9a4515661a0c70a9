package executortest

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// follow is what comes of an output from an offset, how much was passed over, and
// the end.
func (r rig) follow(id string, v wire.View) (content string, gaps uint64, end wire.OutputPiece) {
	r.t.Helper()
	next := v.Offset
	err := r.FollowOutput(r.t.Context(), id, v, func(p wire.OutputPiece) error {
		if p.End {
			end = p
			return nil
		}
		content += string(p.Content)
		gaps += p.Offset - next
		next = p.Next()
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return content, gaps, end
}

func followed(r rig) {
	r.start(order("talks", "sh", "-c", "echo one; sleep 1; echo two"))
	r.becomes("talks", task.Running)
	if _, _, end := r.follow("talks", wire.View{Attempt: 1, Stream: job.Stdout}); !end.End || end.Ended {
		r.t.Errorf("while it runs, what there is now ends with %+v", end)
	}
	content, gaps, end := r.follow("talks", wire.View{Attempt: 1, Stream: job.Stdout, Follow: true})
	if content != "one\ntwo\n" || gaps != 0 || !end.Ended || end.Total != 8 {
		r.t.Errorf("followed %q over %d, to %+v", content, gaps, end)
	}
	r.ends("talks", task.Succeeded, task.Exit{})
	if content, _, end := r.follow("talks", wire.View{Attempt: 1, Stream: job.Stdout, Offset: 4}); content != "two\n" || !end.Ended {
		r.t.Errorf("from the middle %q, to %+v", content, end)
	}
	if content, _, end := r.follow("talks", wire.View{Attempt: 1, Stream: job.Stderr, Offset: 99, Follow: true}); content != "" || end.Total != 0 {
		r.t.Errorf("of nothing %q, to %+v", content, end)
	}

	loud := order("loud", "head", "-c", "5000", "/dev/zero")
	loud.Spec.Run.Keep = 1000
	r.start(loud)
	r.ends("loud", task.Succeeded, task.Exit{})
	for offset, want := range map[uint64]struct{ content, gap uint64 }{
		0: {1000, 4000}, 100: {900, 4000}, 500: {500, 4000}, 4400: {500, 100}, 4900: {100, 0}, 5000: {0, 0},
	} {
		content, gaps, end := r.follow("loud", wire.View{Attempt: 1, Stream: job.Stdout, Offset: offset, Follow: true})
		if uint64(len(content)) != want.content || gaps != want.gap || end.Total != 5000 {
			r.t.Errorf("from %d: %d bytes over %d, to %+v, want %+v", offset, len(content), gaps, end, want)
		}
	}
	for _, v := range []wire.View{{Attempt: 2, Stream: job.Stdout}, {Attempt: 1, Stream: job.Stdout}} {
		id := "loud"
		if v.Attempt == 1 {
			id = "unknown"
		}
		err := r.FollowOutput(r.t.Context(), id, v, func(wire.OutputPiece) error { return nil })
		if !errors.Is(err, wire.ErrNotFound) {
			r.t.Errorf("attempt %d of %s: %v", v.Attempt, id, err)
		}
	}
}
