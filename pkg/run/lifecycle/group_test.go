package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

var errBroken = errors.New("broken")

// diary keeps what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, ", ")
}

// part notes all that is done with it.
func (d *diary) part(name string) lifecycle.Part {
	return lifecycle.Part{
		Name:  name,
		Start: func(context.Context) error { d.note("%s starts", name); return nil },
		Run: func(ctx context.Context) error {
			<-ctx.Done()
			d.note("%s ends", name)
			return ctx.Err()
		},
		Stop: func(context.Context) error { d.note("%s stops", name); return nil },
	}
}

func group(parts ...lifecycle.Part) *lifecycle.Group {
	return lifecycle.New(slog.New(slog.DiscardHandler), 10*time.Second, parts...)
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- group(d.part("store"), d.part("mesh"), d.part("door")).Run(ctx) }()
		synctest.Wait()
		d.note("all run")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
		want := "store starts, mesh starts, door starts, all run, door stops, door ends, mesh stops, mesh ends, store stops, store ends"
		if got := d.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestTheFirstFailureStopsAllAndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		bad := d.part("mesh")
		fail := make(chan struct{})
		bad.Run = func(context.Context) error { <-fail; return errBroken }
		g := group(d.part("store"), bad, d.part("door"))
		done := make(chan error)
		go func() { done <- g.Run(t.Context()) }()
		synctest.Wait()
		close(fail)
		err := <-done
		if !errors.Is(err, errBroken) || err.Error() != "mesh failed: broken" {
			t.Errorf("got %v", err)
		}
		<-g.Failed()
		if got := d.String(); !strings.HasSuffix(got, "door stops, door ends, mesh stops, store stops, store ends") {
			t.Errorf("got %s", got)
		}
	})
}

func TestAPartThatEndsByItselfIsAFailure(t *testing.T) {
	quiet := lifecycle.Part{Name: "quiet", Run: func(context.Context) error { return nil }}
	err := group(quiet).Run(t.Context())
	if !errors.Is(err, lifecycle.ErrEnded) || err.Error() != "quiet failed: it ended by itself" {
		t.Errorf("got %v", err)
	}
}

func TestAPartThatCannotStartUndoesTheOthers(t *testing.T) {
	var d diary
	bad := d.part("mesh")
	bad.Start = func(context.Context) error { return errBroken }
	err := group(d.part("store"), bad, d.part("door")).Run(t.Context())
	if !errors.Is(err, errBroken) || err.Error() != "mesh cannot start: broken" {
		t.Errorf("got %v", err)
	}
	if got, want := d.String(), "store starts, store stops, store ends"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAFailureEndsAStartThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := make(chan struct{})
		bad := lifecycle.Part{Name: "bad", Run: func(context.Context) error { <-fail; return errBroken }}
		slow := lifecycle.Part{Name: "slow", Start: func(ctx context.Context) error {
			close(fail)
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		if err := group(bad, slow).Run(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStopEndsAStartThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group(lifecycle.Part{Name: "slow", Start: func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}})
		started := make(chan error)
		go func() { started <- g.Start(t.Context()) }()
		synctest.Wait()
		go func() { _ = g.Stop(t.Context()) }() // it may or may not see the failed start
		if err := <-started; !errors.Is(err, lifecycle.ErrStopped) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAGroupThatWasStoppedStartsNothing(t *testing.T) {
	var d diary
	g := group(d.part("store"))
	if err := g.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := g.Run(t.Context()); !errors.Is(err, lifecycle.ErrStopped) || d.String() != "" {
		t.Errorf("got %v, %s", err, d.String())
	}
}

func TestAPartThatHangsIsLeftBehindWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		never := make(chan struct{})
		hangs := lifecycle.Part{Name: "hangs", Run: func(context.Context) error { <-never; return nil }}
		deaf := lifecycle.Part{Name: "deaf", Stop: func(context.Context) error { <-never; return nil }}
		g := group(d.part("store"), hangs, deaf)
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := g.Stop(t.Context())
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		want := "cannot stop deaf: it did not stop in time\ncannot stop hangs: it did not stop in time"
		if !errors.Is(err, lifecycle.ErrBudget) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		close(never)
		synctest.Wait()
		if got := d.String(); !strings.Contains(got, "store ends") {
			t.Errorf("what can be stopped is not: %s", got)
		}
	})
}

func TestWhatGoesWrongWhileStoppingIsTold(t *testing.T) {
	var d diary
	bad := d.part("mesh")
	bad.Stop = func(context.Context) error { return errBroken }
	g := group(d.part("store"), bad)
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(t.Context()); !errors.Is(err, errBroken) || err.Error() != "cannot stop mesh: broken" {
		t.Errorf("got %v", err)
	}
	if got := d.String(); !strings.HasSuffix(got, "mesh ends, store stops, store ends") {
		t.Errorf("got %s", got)
	}
}

func TestStartAndStopUnderStress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var alive sync.WaitGroup
		var d diary
		var parts []lifecycle.Part
		for i := range rapid.IntRange(1, 6).Draw(t, "parts") {
			p := d.part(fmt.Sprint(i))
			run := p.Run
			fails := rapid.IntRange(0, 9).Draw(t, "fails") == 0
			p.Run = func(ctx context.Context) error {
				alive.Add(1)
				defer alive.Done()
				if fails {
					return errBroken
				}
				return run(ctx)
			}
			if rapid.IntRange(0, 9).Draw(t, "cannot start") == 0 {
				p.Start = func(context.Context) error { return errBroken }
			}
			parts = append(parts, p)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := group(parts...)
		stops := rapid.IntRange(1, 4).Draw(t, "stops")
		results := make(chan error, stops+1)
		go func() { results <- g.Run(ctx) }()
		if rapid.Bool().Draw(t, "cancel") {
			cancel()
		}
		for range stops {
			go func() { results <- g.Stop(ctx) }()
		}
		for range stops + 1 {
			if err := <-results; err != nil && !errors.Is(err, errBroken) && !errors.Is(err, lifecycle.ErrStopped) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		alive.Wait()
		checkPairs(t, d.String())
	})
}

// checkPairs checks that what was started was stopped, once, in reverse.
func checkPairs(t *rapid.T, got string) {
	var started, stopped []string
	for line := range strings.SplitSeq(got, ", ") {
		if name, ok := strings.CutSuffix(line, " starts"); ok {
			started = append(started, name)
		}
		if name, ok := strings.CutSuffix(line, " stops"); ok {
			stopped = append(stopped, name)
		}
	}
	slices.Reverse(stopped)
	if len(stopped) < len(started) { // a part whose Start noted nothing is not in started
		t.Fatalf("%s", got)
	}
	for _, name := range started {
		if !slices.Contains(stopped, name) {
			t.Fatalf("%s was not stopped: %s", name, got)
		}
	}
	if !slices.IsSorted(stopped) || len(slices.Compact(slices.Clone(stopped))) != len(stopped) {
		t.Fatalf("not stopped once in reverse: %s", got)
	}
}
