package wire

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestAViewComesBackAsItWas(t *testing.T) {
	id := job.ID{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80}
	want := View{ID: 7, Job: id, Attempt: 2, Stream: job.Stderr, Offset: 1 << 40, Follow: true}
	if got, err := ViewFromProto(ViewToProto(want)); err != nil || got != want {
		t.Errorf("%+v became %+v, %v", want, got, err)
	}
	for name, spoil := range map[string]func(*View){
		"no number":     func(v *View) { v.ID = 0 },
		"no attempt":    func(v *View) { v.Attempt = 0 },
		"no stream":     func(v *View) { v.Stream = 0 },
		"a stranger's":  func(v *View) { v.Stream = 3 },
		"no job's name": func(v *View) { v.Job = job.ID{} },
	} {
		v := want
		if spoil(&v); name == "no job's name" {
			m := ViewToProto(v)
			m.JobId = nil
			if _, err := ViewFromProto(m); !errors.Is(err, ErrMessage) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if _, err := ViewFromProto(ViewToProto(v)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPieceOfOutputGoesForwardAlone(t *testing.T) {
	for _, c := range []struct {
		offset, next, at uint64
		content          string
	}{
		{0, 0, 0, "abc"},
		{0, 10, 10, "abc"}, // it follows
		{10, 10, 10, "abc"},
		{15, 10, 15, "abc"}, // over a gap
	} {
		p, err := PieceFromProto(&typesv1.OutputPiece{Offset: c.offset, Content: []byte(c.content)}, c.next)
		if err != nil || p.Offset != c.at || p.Next() != c.at+3 || p.End {
			t.Errorf("%+v became %+v, %v", c, p, err)
		}
		if back := PieceToProto(p); back.GetOffset() != c.at || string(back.GetContent()) != c.content {
			t.Errorf("%+v became %v", p, back)
		}
	}
	for _, bad := range []uint64{9, math.MaxUint64} {
		if _, err := PieceFromProto(&typesv1.OutputPiece{Offset: bad, Content: []byte("abc")}, 10); !errors.Is(err, ErrMessage) {
			t.Errorf("offset %d after 10: %v", bad, err)
		}
	}
	end := OutputPiece{Offset: 10, End: true, Total: 12, Ended: true}
	if got, err := PieceFromProto(PieceToProto(end), 10); err != nil || !reflect.DeepEqual(got, end) {
		t.Errorf("%+v became %+v, %v", end, got, err)
	}
}

func TestATailIsAPartOfWhatIsKeptAfterACut(t *testing.T) {
	ref := job.OutputRef{Stream: job.Stdout, Digest: [32]byte{1}, Size: 10, Cut: 5, Tail: 4}
	m := OutputsToProto([]job.OutputRef{ref})
	if got, err := OutputsFromProto(m); err != nil || got[0] != ref {
		t.Errorf("%+v became %+v, %v", ref, got, err)
	}
	for _, bad := range []struct{ size, cut, tail uint64 }{{10, 5, 11}, {10, 0, 4}} {
		wrong := proto.CloneOf(m[0])
		wrong.Size, wrong.Cut, wrong.Tail = bad.size, bad.cut, bad.tail
		if _, err := OutputsFromProto([]*typesv1.OutputRef{wrong}); !errors.Is(err, ErrMessage) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
