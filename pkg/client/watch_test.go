package client_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

// change is a message of a watch: the revision that is complete with it, and
// the hosts whose tasks it brings.
func change(revision uint64, state typesv1.JobState, hosts ...string) *accessv1.WatchJobResponse {
	m := &accessv1.WatchJobResponse{Job: &typesv1.Job{State: state}, CompleteRevision: revision}
	for _, h := range hosts {
		m.Tasks = append(m.Tasks, &typesv1.Task{HostId: h})
	}
	return m
}

const (
	running = typesv1.JobState_JOB_STATE_RUNNING
	done    = typesv1.JobState_JOB_STATE_DONE
)

// seen is what a watch yielded, in short.
func seen(updates []client.Update) string {
	text := ""
	for _, u := range updates {
		text += fmt.Sprintf("%d", u.Revision)
		for _, t := range u.Tasks {
			text += "+" + t.Host
		}
		text += " "
	}
	return text
}

func TestAWatchGoesOnElsewhereWithoutRepeating(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		var after []uint64
		r.access.watch = func(n int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			after = append(after, req.GetAfterRevision())
			switch n {
			case 1:
				_ = send(change(3, running, "h1"))
				return unavailable()
			case 2:
				_ = send(change(5, running, "h2"))
				_ = send(change(0, running, "h3")) // a part of revision 6
				return retryIn(100 * time.Millisecond)
			default:
				_ = send(change(0, running, "h3"))
				return send(change(6, done, "h4"))
			}
		}
		updates, err := collect(r.Watch(t.Context(), "j", 0))
		must(t, err)
		if seen(updates) != "3+h1 5+h2 0+h3 0+h3 6+h4 " || fmt.Sprint(after) != "[0 3 5]" {
			t.Errorf("seen was %s, asked after %v", seen(updates), after)
		}
	})
}

func TestAWatchBeginsWhereTheCallerWas(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(_ int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			return send(change(req.GetAfterRevision()+1, done))
		}
		updates, err := collect(r.Watch(t.Context(), "j", 41))
		must(t, err)
		if seen(updates) != "42 " {
			t.Errorf("seen was %s", seen(updates))
		}
	})
}

func TestAStreamThatEndsBeforeTheJobIsFollowedByAnother(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(n int, _ *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			if n < 3 {
				return nil
			}
			return send(change(1, done))
		}
		updates, err := collect(r.Watch(t.Context(), "j", 0))
		must(t, err)
		if len(updates) != 1 {
			t.Errorf("seen was %s", seen(updates))
		}
	})
}

func TestAWatchIsGivenUpWhenNothingIsHeard(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(int, *accessv1.WatchJobRequest, func(*accessv1.WatchJobResponse) error) error {
			return unavailable()
		}
		began := time.Now()
		_, err := collect(r.Watch(t.Context(), "j", 0))
		wantError(t, err, client.Unavailable, "no scheduler owns")
		if took := time.Since(began); took < 25*time.Second || took > 30*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestALongSilenceIsNoFault(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(n int, _ *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			if n == 1 {
				_ = send(change(1, running))
				wait(8 * time.Hour)
				return unavailable()
			}
			return send(change(2, done))
		}
		updates, err := collect(r.Watch(t.Context(), "j", 0))
		must(t, err)
		if seen(updates) != "1 2 " {
			t.Errorf("seen was %s", seen(updates))
		}
	})
}

func TestAnErrorThatIsFinalEndsAWatch(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["WatchJob"] = []error{status.Error(codes.NotFound, "there is no job j")}
		_, err := collect(r.Watch(t.Context(), "j", 0))
		wantError(t, err, client.NotFound, "there is no job j")
	})
}

func TestACallerWhoStopsEndsTheStream(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(_ int, _ *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			for {
				if err := send(change(1, running)); err != nil {
					return err
				}
				wait(time.Second)
			}
		}
		for _, err := range r.Watch(t.Context(), "j", 0) {
			must(t, err)
			break
		}
		r.access.watching.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := collect(r.Watch(ctx, "j", 0))
		wantError(t, err, client.Canceled, "")
		r.access.watching.Wait()
	})
}

func TestAServerThatBreaksOffIsNotTheCallerBreakingOff(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.watch = func(n int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			switch n {
			case 1: // as a replica says that is being shut down
				return status.Error(codes.Canceled, "context canceled")
			case 2: // as one says whose own patience has ended
				return status.Error(codes.DeadlineExceeded, "context deadline exceeded")
			default:
				return send(change(1, done))
			}
		}
		updates, err := collect(r.Watch(t.Context(), "j", 0))
		must(t, err)
		if seen(updates) != "1 " {
			t.Errorf("seen was %s", seen(updates))
		}
	})
}

func TestAWatchThatIsRangedOverAgainBeginsAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		var after []uint64
		r.access.watch = func(_ int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
			after = append(after, req.GetAfterRevision())
			return send(change(9, done))
		}
		updates := r.Watch(t.Context(), "j", 4)
		if len(after) != 0 {
			t.Error("it began before it was ranged over")
		}
		for range 2 {
			_, err := collect(updates)
			must(t, err)
		}
		if fmt.Sprint(after) != "[4 4]" {
			t.Errorf("asked after %v", after)
		}
	})
}

// Whatever the servers do between two messages, what is complete comes once, and
// what is not may come again.
func TestNoCompleteRevisionComesTwiceWhereverTheStreamIsCut(t *testing.T) {
	story := []*accessv1.WatchJobResponse{
		change(2, running, "h1"), change(0, running, "h2", "h3"), change(5, running, "h4"), change(5, running), change(6, running, "h5"), change(8, done, "h6"),
	}
	for cut := range len(story) {
		for again := range len(story) {
			t.Run(fmt.Sprintf("after %d and %d", cut, again), func(t *testing.T) {
				inBubble(t, func(r *rig) { cutTwice(r, story, cut, again) })
			})
		}
	}
}

// cutTwice loses the stream after so many messages, twice, and checks what came.
func cutTwice(r *rig, story []*accessv1.WatchJobResponse, cut, again int) {
	t := r.t
	r.access.watch = func(n int, req *accessv1.WatchJobRequest, send func(*accessv1.WatchJobResponse) error) error {
		left := []int{cut, again, len(story)}[n-1]
		for _, m := range since(story, req.GetAfterRevision()) {
			if left--; left < 0 {
				return unavailable()
			}
			if err := send(m); err != nil {
				return err
			}
		}
		return nil
	}
	complete, known := map[string]bool{}, map[string]bool{}
	last := uint64(0)
	for u, err := range r.Watch(t.Context(), "j", 0) {
		must(t, err)
		for _, task := range u.Tasks {
			known[task.Host] = true
			if complete[task.Host] {
				t.Errorf("%s came again after revision %d", task.Host, last)
			}
		}
		if u.Revision > 0 {
			if u.Revision < last {
				t.Errorf("revision %d came after %d", u.Revision, last)
			}
			last = u.Revision
			maps.Copy(complete, known)
		}
	}
	if len(complete) != 6 || last != 8 {
		t.Errorf("known is %v at revision %d", complete, last)
	}
}

// since is what is told of a story to whoever has a revision.
func since(story []*accessv1.WatchJobResponse, after uint64) []*accessv1.WatchJobResponse {
	if after == 0 {
		return story
	}
	for i, m := range story {
		if m.GetCompleteRevision() > after {
			for i > 0 && story[i-1].GetCompleteRevision() == 0 { // from its first piece on
				i--
			}
			return story[i:]
		}
	}
	return nil
}
