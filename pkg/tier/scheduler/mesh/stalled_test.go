package mesh_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/wire"
)

// stops are wishes that need no credit.
func stops(from, n uint32) (s job.Send) {
	for o := range n {
		s.Wishes = append(s.Wishes, job.Wish{Ordinal: from + o, Attempt: 1, Want: task.DesiredStop})
	}
	return s
}

// TestAnAggregatorThatReadsNothingHoldsABoundedPartAndIsGivenUp stalls one of two
// aggregators while there is ever more work for both.
func TestAnAggregatorThatReadsNothingHoldsABoundedPartAndIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		slow, good := r.newAggregator("slow", 2), r.aggregatorOf("good", 2)
		slow.deaf.Store(true)
		r.serve(slow)
		<-slow.hello
		<-good.hello
		good.kinds()
		const hosts = 20_000
		began := time.Now()
		large := mesh.TestPayload(t, 1, "std", hosts)
		for n := range byte(60) { // 2.4 million in all
			p := *large
			p.Job = job.NewID(time.Now(), [10]byte{9: n})
			r.mesh.Send("slow", &p, stops(0, 2*hosts), nil)
		}
		synctest.Wait()
		slow.deaf.Store(false) // for the stream after this one
		if n := r.mesh.Waiting("slow"); n < mesh.MaxOwed/2 || n > mesh.MaxOwed+2*hosts {
			t.Errorf("%d wait for an aggregator that reads nothing", n)
		}
		p := mesh.TestPayload(t, 100, "std", 10)
		r.mesh.Send("good", p, stops(10, 1), nil)
		synctest.Wait()
		if heard := good.heardStop(p.Job); !heard || time.Since(began) > 0 {
			t.Errorf("the other aggregator has its wish: %v, after %s", heard, time.Since(began))
		}
		if via := <-r.sink.lost; via != "slow" || time.Since(began) != mesh.SendTimeout {
			t.Errorf("%s is given up after %s", via, time.Since(began))
		}
		<-slow.hello
		synctest.Wait()
		if n := r.mesh.Waiting("slow"); n != 0 {
			t.Errorf("%d wait on the new stream, and nothing was said since", n)
		}
		r.mesh.Send("slow", p, stops(10, 1), nil) // as the pull does
		synctest.Wait()
		if !slow.heardStop(p.Job) {
			t.Error("what is said again does not arrive")
		}
	})
}

// heardStop reports whether a wish for a job has come.
func (a *aggregator) heardStop(id job.ID) bool {
	for {
		select {
		case msg := <-a.heard:
			if bytes.Equal(msg.GetWishes().GetJobId(), id[:]) && len(msg.GetWishes().GetStop()) > 0 {
				return true
			}
		default:
			return false
		}
	}
}

func TestAnAggregatorThatInventsClassesIsNotFollowed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		for n := range mesh.MaxClasses {
			a.say <- reports(&meshv1.Reports{Class: fmt.Sprint("class-", n), Number: 1})
			<-r.sink.reports
			a.kinds()
		}
		a.say <- reports(&meshv1.Reports{Class: "one-more", Number: 1})
		<-r.sink.lost
		if len(r.sink.reports) != 0 {
			t.Error("the batch of one class too many was passed on")
		}
	})
}

func TestAMessageOfAnAggregatorThatIsTooLargeEndsItsStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		a.say <- reports(&meshv1.Reports{Class: string(make([]byte, mesh.MaxMessage)), Number: 1})
		<-r.sink.lost
		<-a.hello // and another one is opened
		a.say <- reports(&meshv1.Reports{Class: "std", Number: 1})
		<-r.sink.reports
	})
}

func TestAnOutputThatIsLargerThanAnyIsNotFetched(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		synctest.Wait()
		if _, err := r.mesh.FetchBlob(t.Context(), "a1", [32]byte{1}, mesh.MaxBlob+1); !errors.Is(err, wire.ErrTooMuch) {
			t.Errorf("one byte too many: %v", err)
		}
		content := bytes.Repeat([]byte("x"), mesh.MaxBlob/8)
		digest := sha256.Sum256(content)
		a.blobs[string(digest[:])] = content
		if _, err := r.mesh.FetchBlob(t.Context(), "a1", digest, uint64(len(content)-1)); err == nil || status.Code(err) == codes.OK {
			t.Error("more bytes than were named are taken")
		}
		if got, err := r.mesh.FetchBlob(t.Context(), "a1", digest, uint64(len(content))); err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}
