package client_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

// FollowOutput sends what was written and is asked for, a piece at a time, and
// breaks off between them as the test says.
func (a *access) FollowOutput(req *accessv1.FollowOutputRequest, out grpc.ServerStreamingServer[accessv1.FollowOutputResponse]) error {
	a.mu.Lock()
	a.followed = append(a.followed, proto.CloneOf(req))
	a.mu.Unlock()
	for _, m := range a.follows {
		p := m.GetPiece()
		if len(p.GetContent()) > 0 && p.GetOffset()+uint64(len(p.GetContent())) <= req.GetOffset() {
			continue
		}
		if err := out.Send(m); err != nil {
			return err
		}
		if err := a.next("FollowOutput"); err != nil {
			return err
		}
	}
	return nil
}

func piece(offset uint64, content string) *accessv1.FollowOutputResponse {
	return &accessv1.FollowOutputResponse{Attempt: 2, Piece: &typesv1.OutputPiece{Offset: offset, Content: []byte(content)}}
}

func theEnd(total uint64) *accessv1.FollowOutputResponse {
	return &accessv1.FollowOutputResponse{Attempt: 2, Piece: &typesv1.OutputPiece{End: &typesv1.OutputEnd{Total: total, Ended: true}}}
}

func TestAnOutputIsFollowedAcrossLostConnectionsAndNoByteComesTwice(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.follows = []*accessv1.FollowOutputResponse{
			{WaitsFor: accessv1.OutputWait_OUTPUT_WAIT_START},
			piece(0, "one"), piece(3, "two\xff"), piece(100, "late"), theEnd(104),
		}
		r.access.answers["FollowOutput"] = []error{nil, unavailable(), nil, unavailable(), nil, nil, unavailable()}
		var got strings.Builder
		var gaps uint64
		var last client.OutputPiece
		waited := 0
		for p, err := range r.Follow(t.Context(), "j", "h1", client.FollowQuery{Stderr: true}) {
			must(t, err)
			if p.Waits == "start" {
				waited++
				continue
			}
			got.Write(p.Content)
			gaps += p.Gap
			last = p
		}
		if got.String() != "onetwo\xfflate" || gaps != 93 || !last.End || !last.Ended || last.Total != 104 || last.Attempt != 2 || waited == 0 {
			t.Errorf("got %q with gaps of %d, waited %d times, the end is %+v", got.String(), gaps, waited, last)
		}
		asked := r.access.followed
		if n := len(asked); n < 3 || asked[0].GetAttempt() != 0 || asked[n-1].GetAttempt() != 2 || asked[n-1].GetOffset() < 7 {
			t.Errorf("it was asked for %v", asked)
		}
		for _, a := range asked {
			if a.GetStream() != typesv1.Stream_STREAM_STDERR || !a.GetFollow() || a.GetHostId() != "h1" {
				t.Errorf("it was asked for %v", a)
			}
		}
	})
}

func TestAFollowingThatIsLeftEndsAtTheServersToo(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.follows = []*accessv1.FollowOutputResponse{piece(5, "one"), piece(8, "two")}
		for p, err := range r.Follow(t.Context(), "j", "h1", client.FollowQuery{Offset: 5, Attempt: 2, Now: true}) {
			must(t, err)
			if p.Gap != 0 || p.Next() != 8 {
				t.Errorf("the first piece is %+v", p)
			}
			break
		}
		if a := r.access.followed[0]; a.GetOffset() != 5 || a.GetAttempt() != 2 || a.GetFollow() {
			t.Errorf("it was asked for %v", a)
		}
	})
}

func TestAFollowingThatCannotGoOnSaysWhy(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		end := func(q client.FollowQuery) error {
			_, err := collect(r.Follow(t.Context(), "j", "h1", q))
			return err
		}
		r.access.follows = []*accessv1.FollowOutputResponse{piece(8, "two"), piece(3, "one, again")}
		wantError(t, end(client.FollowQuery{}), client.Corrupt, "report this")
		wantError(t, end(client.FollowQuery{Attempt: -1}), client.Invalid, "count from 1")
		_, err := collect(r.Follow(t.Context(), "j", "", client.FollowQuery{}))
		wantError(t, err, client.Invalid, "host")
		r.access.follows = nil // the servers end it, again and again
		began := time.Now()
		wantError(t, end(client.FollowQuery{}), client.Unavailable, "before its end")
		if took := time.Since(began); took < 20*time.Second || took > 40*time.Second {
			t.Errorf("it was given up after %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = collect(r.Follow(ctx, "j", "h1", client.FollowQuery{}))
		wantError(t, err, client.Canceled, "")
	})
}
