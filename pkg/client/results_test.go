package client_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

// ofTasks is a job with a number of tasks, one on each page.
func (r *rig) ofTasks(n int, state typesv1.JobState) {
	r.access.job = &typesv1.Job{Id: "j", State: state, Targets: uint32(n), Revision: 7}
	r.access.pages = n
}

// ends lets the job end at the second message of the watch.
func (r *rig) ends() {
	r.access.watch = func(_ int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
		_ = send(change(req.GetAfterRevision()+1, running, "h1"))
		wait(time.Hour)
		return send(change(req.GetAfterRevision()+2, done, "h2"))
	}
}

func hosts(tasks []client.Task) (names []string) {
	for _, t := range tasks {
		names = append(names, t.Host)
	}
	return names
}

func TestResultsComeWhenTheJobIsDoneOnceEachByOrdinal(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.ofTasks(4, running)
		r.ends()
		r.access.answers["ListTasks"] = []error{nil, unavailable(), nil, unavailable()} // a page again is not a task again
		began := time.Now()
		tasks, err := collect(r.Results(t.Context(), "j"))
		must(t, err)
		if fmt.Sprint(hosts(tasks)) != "[h0 h1 h2 h3]" {
			t.Errorf("got %v", hosts(tasks))
		}
		if time.Since(began) < time.Hour {
			t.Error("they came before the job was done")
		}
	})
}

func TestResultsOfAJobThatIsDoneAreNotWaitedFor(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.ofTasks(2, done)
		tasks, err := collect(r.Results(t.Context(), "j"))
		must(t, err)
		if len(tasks) != 2 || r.access.called("WatchJob") != 0 {
			t.Errorf("%d tasks after %d watches", len(tasks), r.access.called("WatchJob"))
		}
	})
}

func TestResultsWaitForNoTaskThatWasSettledBefore(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.ofTasks(1, running)
		var after uint64
		r.access.watch = func(_ int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			after = req.GetAfterRevision()
			return send(change(9, done))
		}
		_, err := collect(r.Results(t.Context(), "j"))
		must(t, err)
		if after != 7 {
			t.Errorf("the watch began after revision %d: all tasks before were streamed for nothing", after)
		}
	})
}

func TestWaitingForResultsSurvivesTheLossOfAReplica(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.ofTasks(1, running)
		r.access.watch = func(n int, _ *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			if n < 4 {
				return unavailable()
			}
			return send(change(9, done))
		}
		tasks, err := collect(r.Results(t.Context(), "j"))
		must(t, err)
		if len(tasks) != 1 {
			t.Errorf("got %v", tasks)
		}
	})
}

func TestResultsReadOnlyThePagesThatAreLookedAt(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.ofTasks(1000, done)
		for _, err := range r.Results(t.Context(), "j") {
			must(t, err)
			break
		}
		if n := len(r.access.lists); n != 1 {
			t.Errorf("%d pages were read for one task", n)
		}
	})
}

func TestAListOfResultsThatIsNotWholeIsAnError(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		numbered := func(ordinals ...uint32) func(int) *typesv1.Task {
			return func(n int) *typesv1.Task { return &typesv1.Task{Ordinal: ordinals[n]} }
		}
		for name, list := range map[string]struct {
			ordinals []uint32
			says     string
			good     int // tasks before the error
		}{
			"a gap":         {[]uint32{0, 2, 3}, "a gap or a repetition", 1},
			"a repetition":  {[]uint32{0, 0, 1}, "a gap or a repetition", 1},
			"another order": {[]uint32{1, 0, 2}, "a gap or a repetition", 0},
			"too few":       {[]uint32{0, 1}, "ends early", 2},
			"too many":      {[]uint32{0, 1, 2, 3}, "ends early", 4},
		} {
			r.ofTasks(3, done)
			r.access.pages, r.access.task = len(list.ordinals), numbered(list.ordinals...)
			tasks, err := collect(r.Results(t.Context(), "j"))
			t.Log(name)
			wantError(t, err, client.Internal, list.says)
			if len(tasks) != list.good {
				t.Errorf("%d tasks were given out before", len(tasks))
			}
		}
	})
}

func TestNobodyWaitsForAJobThatIsSetAside(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		const aside = typesv1.JobState_JOB_STATE_QUARANTINED
		r.ofTasks(1, aside)
		_, err := collect(r.Results(t.Context(), "j"))
		wantError(t, err, client.WrongState, "quarantined")
		r.ofTasks(1, running)
		r.access.watch = func(_ int, _ *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			_ = send(change(8, aside))
			wait(time.Hour)
			return nil
		}
		began := time.Now()
		_, err = collect(r.Results(t.Context(), "j"))
		wantError(t, err, client.WrongState, "quarantined")
		if time.Since(began) >= time.Hour {
			t.Error("it was waited for")
		}
	})
}

func TestWhatEndsTheWaitForResultsEndsThem(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["GetJob"] = []error{status.Error(codes.NotFound, "there is no job j")}
		_, err := collect(r.Results(t.Context(), "j"))
		wantError(t, err, client.NotFound, "there is no job j")

		r.ofTasks(1, running)
		r.ends()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = collect(r.Results(ctx, "j"))
		wantError(t, err, client.Canceled, "")

		r.access.answers["WatchJob"] = slices.Repeat([]error{unavailable()}, 100)
		_, err = collect(r.Results(t.Context(), "j"))
		wantError(t, err, client.Unavailable, "no scheduler owns")
		if len(r.access.lists) != 0 {
			t.Error("tasks were asked for")
		}
		r.access.watching.Wait()
	})
}
