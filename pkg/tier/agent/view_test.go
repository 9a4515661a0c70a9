package agent_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

// look is an output that the aggregator asked for.
type look struct {
	credit uint32        // of the first grant; then as much as came
	gone   chan struct{} // closed: the viewer has gone

	// The aggregator's mutex guards what follows.
	got   []byte
	end   *wire.OutputPiece
	fault sessionv1.ViewFault
	over  bool // the host has ended it
}

// look asks for an output.
func (a *aggregator) look(v wire.View, credit uint32) *look {
	l := &look{credit: credit, gone: make(chan struct{})}
	a.set(func(a *aggregator) {
		if a.looks == nil {
			a.looks = map[uint64]*look{}
		}
		a.looks[v.ID] = l
		a.views = append(a.views, wire.ViewToProto(v))
	})
	a.push()
	synctest.Wait()
	return l
}

// SendOutput takes what the host sends, within the credit.
func (a *aggregator) SendOutput(in grpc.BidiStreamingServer[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return err
	}
	a.mu.Lock()
	l := a.looks[first.GetViewId()]
	a.mu.Unlock()
	over := make(chan struct{})
	if l.credit > 0 {
		_ = in.Send(&sessionv1.SendOutputResponse{More: l.credit}) // a test sees what does not come
	}
	go func() {
		defer close(over)
		for {
			m, err := in.Recv()
			a.mu.Lock()
			if err != nil {
				l.over = true
				a.mu.Unlock()
				return
			}
			p, err := wire.PieceFromProto(m.GetPiece(), uint64(len(l.got)))
			l.got, l.fault = append(l.got, p.Content...), m.GetFault()
			if p.End {
				l.end = &p
			}
			a.mu.Unlock()
			if n := uint32(len(p.Content)); err == nil && n > 0 && l.credit > 100 { // a small one is all there is
				_ = in.Send(&sessionv1.SendOutputResponse{More: n})
			}
		}
	}()
	select {
	case <-over:
	case <-l.gone:
	}
	return nil
}

func (a *aggregator) saw(l *look) look {
	a.mu.Lock()
	defer a.mu.Unlock()
	return look{got: bytes.Clone(l.got), end: l.end, fault: l.fault, over: l.over}
}

// talks is a command that runs until it is let go.
func talks(w *world) *ask {
	w.Helper()
	a := w.submit(w.run("sleep", "60"))
	w.host.Say(a.cmd(), job.Stdout, "hello\n")
	return a
}

func TestAnOutputThatIsLookedAtIsSentAsItIsWritten(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		agg, c := w.aggs[0], talks(w)
		l := agg.look(wire.View{ID: 1, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, wire.BlobPiece)
		if got := string(agg.saw(l).got); got != "hello\n" {
			w.Errorf("the viewer sees %q", got)
		}
		large := strings.Repeat("0123456789abcde\n", 20_000)
		w.host.Say(c.cmd(), job.Stdout, large)
		synctest.Wait()
		if got := string(agg.saw(l).got); got != "hello\n"+large {
			w.Errorf("the viewer sees %d bytes of %d, or others", len(got), len(large)+6)
		}
		now := agg.look(wire.View{ID: 2, Job: c.id(), Attempt: 1, Stream: job.Stderr}, wire.BlobPiece)
		if s := agg.saw(now); s.end == nil || s.end.Ended || !s.over {
			w.Errorf("what there is now is %+v", s)
		}
		w.pass(time.Minute)
		w.outcome(c, task.Succeeded, task.NoReason)
		if s := agg.saw(l); s.end == nil || !s.end.Ended || s.end.Total != uint64(len(large)+6) || !s.over {
			w.Errorf("the end is %+v", s.end)
		}
	})
}

func TestNoMoreOfAnOutputIsSentThanThereIsCreditFor(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		agg, c := w.aggs[0], talks(w)
		l := agg.look(wire.View{ID: 1, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, 4)
		none := agg.look(wire.View{ID: 2, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, 0)
		w.pass(30 * time.Second)
		if got := string(agg.saw(l).got) + string(agg.saw(none).got); got != "hell" {
			w.Errorf("for credit of 4 bytes there came %q", got)
		}
		close(l.gone)
		close(none.gone)
		synctest.Wait()
		if s := agg.saw(l); !s.over || s.end != nil {
			w.Errorf("the viewer has gone, and the host goes on: %+v", s)
		}
		other := w.submit(w.run("echo", "meanwhile")) // nothing waits for it
		w.outcome(other, task.Succeeded, task.NoReason)
	})
}

func TestWhyAnOutputCannotBeSentIsSaid(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		agg, c := w.aggs[0], talks(w)
		l := agg.look(wire.View{ID: 1, Job: c.id(), Attempt: 7, Stream: job.Stdout}, wire.BlobPiece)
		if s := agg.saw(l); s.fault != sessionv1.ViewFault_VIEW_FAULT_NOT_FOUND || !s.over {
			w.Errorf("of another attempt it says %v", s.fault)
		}
		w.host.GoAway()
		l = agg.look(wire.View{ID: 2, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, wire.BlobPiece)
		if s := agg.saw(l); s.fault != sessionv1.ViewFault_VIEW_FAULT_AWAY || !s.over {
			w.Errorf("without its executor it says %v", s.fault)
		}
	})
}

func TestASessionSendsOnlySoManyOutputsAndGivesRoomBack(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		agg, c := w.aggs[0], talks(w)
		var looks []*look
		for n := range agent.MaxViews {
			looks = append(looks, agg.look(wire.View{ID: uint64(n + 1), Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, wire.BlobPiece))
			if got := string(agg.saw(looks[n]).got); got != "hello\n" {
				w.Fatalf("viewer %d sees %q", n, got)
			}
		}
		more := agg.look(wire.View{ID: 98, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, wire.BlobPiece)
		if got := string(agg.saw(more).got); got != "" {
			w.Errorf("one too many sees %q", got)
		}
		close(looks[0].gone)
		synctest.Wait()
		again := agg.look(wire.View{ID: 99, Job: c.id(), Attempt: 1, Stream: job.Stdout, Follow: true}, wire.BlobPiece)
		if got := string(agg.saw(again).got); got != "hello\n" {
			w.Errorf("with room again the viewer sees %q", got)
		}
	})
}
