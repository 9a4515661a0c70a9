package aggregator

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestLargeOutputGoesByItsOwnWay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		output := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
		if err := a.put(output); err != nil {
			t.Fatal(err)
		}
		a.say(a.finished(j, output))
		if got := s.reports(); len(got) != 1 || len(s.batches()[0].GetBlobs()) != 0 {
			t.Fatalf("went up: %v", got)
		}
		if got, err := s.fetch(output); err != nil || !bytes.Equal(got, output) {
			t.Errorf("fetched %d bytes, %v", len(got), err)
		}
		if err := a.put(output); err != nil {
			t.Errorf("the same again: %v", err)
		}
		s.forget(j, "h1")
		if _, err := s.fetch([]byte("never put")); status.Code(err) != codes.NotFound {
			t.Errorf("an unknown blob: %v", err)
		}
		a.idle(keepUpload + time.Minute) // the second upload had no report
		w.empty()
	})
}

func TestOutputThatIsNotWhatItsNameSaysIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		if err := a.upload("standard", digestOf([]byte("good")), []byte("evil"), 4); status.Code(err) != codes.InvalidArgument {
			t.Errorf("forged: %v", err)
		}
		if err := a.upload("standard", digestOf([]byte("good")), []byte("goo"), 4); status.Code(err) != codes.InvalidArgument {
			t.Errorf("cut off: %v", err)
		}
		if err := a.upload("standard", digestOf(nil), nil, wire.MaxBlob+1); status.Code(err) != codes.InvalidArgument {
			t.Errorf("too large: %v", err)
		}
		w.empty()
		nobody := w.agent("h2")
		nobody.conn = w.dial(identity.Host, "h2", w.session)
		nobody.cancel = func() {}
		defer nobody.hangUp()
		nobody.client = sessionv1.NewSessionServiceClient(nobody.conn)
		if err := nobody.put([]byte("output")); status.Code(err) != codes.Unavailable {
			t.Errorf("without a session: %v", err)
		}
	})
}

func TestAReportWaitsForItsOutput(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		output := bytes.Repeat([]byte("late"), 5000)
		a.say(a.finished(j, output))
		if len(s.reports()) != 0 || a.resyncs() != 1 {
			t.Fatalf("%d reports went up, %d resyncs", len(s.reports()), a.resyncs())
		}
		if err := a.put(output); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(s.reports()) != 1 {
			t.Error("the report did not follow its output")
		}
		s.forget(j, "h1")
		for range 2 {
			a.beat(&sessionv1.Heartbeat{})
			w.settle()
		}
		w.empty()
	})
}

func TestAtTheLimitOutputsWaitUntilSomeAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.here("h1"), w.here("h2")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2")
		large, other := bytes.Repeat([]byte("a"), 10<<20), bytes.Repeat([]byte("b"), 10<<20)
		w.leaveRoom("standard", 2*wire.MaxBlob)
		if err := a.put(large); err != nil {
			t.Fatal(err)
		}
		a.say(a.finished(j, large))
		done := make(chan error, 1)
		go func() { done <- b.putInTheEnd("standard", other) }()
		for range 20 { // both hosts stay, and everything else goes on
			w.goOn(5*time.Second, a, b)
		}
		select {
		case err := <-done:
			t.Fatalf("taken beyond the limit: %v", err)
		default:
		}
		small := w.job("standard", 0, "h2")
		s.dispatch(small, "h2")
		b.say(b.report(small, task.Succeeded))
		if got := states(s.reports(), small.id); len(got) != 1 {
			t.Error("a command was held up by output")
		}
		s.forget(j, "h1")
		w.goOn(5*time.Second, a, b)
		w.goOn(5*time.Second, a, b)
		if err := <-done; err != nil {
			t.Errorf("after the Forget: %v", err)
		}
	})
}

func TestAnUploadThatStopsHalfwayIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		stream, err := a.client.PutBlob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		digest := digestOf([]byte("output"))
		if err := stream.Send(&sessionv1.PutBlobRequest{Digest: digest[:], Size: 6}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		for range 5 {
			a.idle(5 * time.Second)
		}
		if n := ask(w, func(h *hub) int64 { return h.blobs.held.total() }); n != 6 {
			t.Fatalf("%d bytes are set aside", n)
		}
		w.pass(6 * time.Second)
		w.empty()
	})
}

func TestALargeCapsuleIsFetched(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, stranger := w.here("h1"), w.here("h2")
		s := w.owner("s1", 1)
		j := w.job("standard", 200<<10, "h1")
		s.dispatch(j, "h1")
		d, err := wire.DeliveryFromProto(a.commands()[0])
		if err != nil || d.Capsule != nil || d.Digest != j.envelope.Digest() {
			t.Fatalf("delivered %v, %v", d, err)
		}
		got, err := a.fetchCapsule(d.Digest)
		if err != nil || wire.EnvelopeFromProto(got).Digest() != d.Digest || len(got.GetSignatures()) != 1 {
			t.Errorf("fetched %d bytes, %v", len(got.GetPayload()), err)
		}
		if _, err := stranger.fetchCapsule(d.Digest); status.Code(err) != codes.NotFound {
			t.Errorf("a host without a release of it: %v", err)
		}
	})
}

// put uploads a blob as an agent does.
func (a *agent) put(content []byte) error {
	return a.putAs("standard", content)
}

func (a *agent) putAs(class string, content []byte) error {
	return a.upload(class, digestOf(content), content, uint64(len(content)))
}

// putInTheEnd tries as often as it takes.
func (a *agent) putInTheEnd(class string, content []byte) error {
	for {
		err := a.putAs(class, content)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		again := time.NewTimer(time.Second)
		<-again.C
	}
}

func (a *agent) upload(class string, digest [32]byte, content []byte, size uint64) error {
	stream, err := a.client.PutBlob(a.w.t.Context())
	if err != nil {
		return err
	}
	if err := stream.Send(&sessionv1.PutBlobRequest{Digest: digest[:], Size: size, Class: class}); err != nil {
		return err
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.GetHave() {
			return nil
		}
		n := min(len(content), int(answer.GetMore()))
		if n == 0 {
			if err := stream.CloseSend(); err != nil {
				return err
			}
			continue
		}
		if err := stream.Send(&sessionv1.PutBlobRequest{Content: content[:n]}); err != nil {
			return err
		}
		if content = content[n:]; n < int(answer.GetMore()) {
			if err := stream.CloseSend(); err != nil {
				return err
			}
		}
	}
}

func (a *agent) fetchCapsule(digest [32]byte) (*typesv1.Envelope, error) {
	stream, err := a.client.FetchCapsule(a.w.t.Context(), &sessionv1.FetchCapsuleRequest{Digest: digest[:]})
	if err != nil {
		return nil, err
	}
	out := &typesv1.Envelope{}
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if head := piece.GetEnvelope(); head != nil {
			out.PayloadType, out.Signatures = head.GetPayloadType(), head.GetSignatures()
		}
		out.Payload = append(out.Payload, piece.GetPayload()...)
	}
}

func (s *scheduler) fetch(content []byte) (got []byte, err error) {
	digest := digestOf(content)
	stream, err := s.client.FetchBlob(s.w.t.Context(), &meshv1.FetchBlobRequest{Digest: digest[:]})
	if err != nil {
		return nil, err
	}
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		got = append(got, piece.GetContent()...)
	}
}
