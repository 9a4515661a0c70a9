package codec

import (
	"bytes"
	"compress/flate"
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func newCodec(t *testing.T) *Codec {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOutputIsCompressedOnlyIfThatPays(t *testing.T) {
	c := newCodec(t)
	lines := bytes.Repeat([]byte("line\n"), 1000)
	if form, out := c.Compress(lines); form != Zstd || len(out) > len(lines)/10 {
		t.Errorf("5,000 bytes of lines became %d in form %d", len(out), form)
	}
	if form, _ := c.Compress([]byte("short")); form != Plain {
		t.Error("five bytes were compressed")
	}
}

func TestOutputComesBackToTheLastByte(t *testing.T) {
	c := newCodec(t)
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "part")
		want := bytes.Repeat(part, rapid.IntRange(1, 40).Draw(t, "times"))
		form, out := c.Compress(want)
		got, err := c.Decompress(form, int64(len(want)), out)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d in form %d, %v", len(want), len(got), form, err)
		}
	})
}

func TestOutputOfAnEarlyBuildIsStillRead(t *testing.T) {
	var stored bytes.Buffer
	w, err := flate.NewWriter(&stored, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write([]byte("hello\n")); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := newCodec(t).Decompress(Deflate, 6, stored.Bytes()); err != nil || string(got) != "hello\n" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := newCodec(t).Decompress(Deflate, 5, stored.Bytes()); err == nil {
		t.Errorf("%q was read as five bytes", got)
	}
}

func TestManyCompressAtOnce(t *testing.T) {
	c := newCodec(t)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			want := bytes.Repeat([]byte{byte(n), 'x'}, 5000)
			form, out := c.Compress(want)
			if got, err := c.Decompress(form, int64(len(want)), out); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	all.Wait()
}

func TestDamagedOutputIsAnErrorAndTakesNoMemory(t *testing.T) {
	c := newCodec(t)
	_, good := c.Compress(bytes.Repeat([]byte("line\n"), 1000))
	for what, bad := range map[string]struct {
		form int
		size int64
		out  []byte
	}{
		"rubbish":            {Zstd, 100, []byte{1, 2, 3}},
		"an unknown form":    {7, 100, nil},
		"cut":                {Zstd, 5000, good[:len(good)-1]},
		"another size":       {Zstd, 4999, good},
		"a monstrous size":   {Zstd, 1 << 50, good},
		"a negative size":    {Zstd, -1, good},
		"plain, and clipped": {Plain, 6, []byte("hello")},
	} {
		if out, err := c.Decompress(bad.form, bad.size, bad.out); err == nil {
			t.Errorf("%s was read as %d bytes", what, len(out))
		}
	}
}

func TestReleasesComeBackAscendingEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ordinals := rapid.SliceOf(rapid.Uint32Range(0, job.MaxTargets-1)).Draw(t, "ordinals")
		pieces := map[uint32][]byte{}
		for _, o := range ordinals {
			pieces[o/Piece] = Release(pieces[o/Piece], o%Piece)
		}
		var got []uint32
		for n := range uint32(job.MaxTargets/Piece + 1) {
			var err error
			if got, err = AppendReleased(got, n, pieces[n]); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(ordinals)
		if want := slices.Compact(ordinals); !slices.Equal(got, want) {
			t.Fatalf("released %v, want %v", got, want)
		}
	})
	for n, piece := range map[uint32][]byte{99_999: {1}, 0: make([]byte, Piece)} {
		if _, err := AppendReleased(nil, n, piece); err == nil {
			t.Errorf("piece %d of %d bytes was read", n, len(piece))
		}
	}
}

func TestABatchIsRefusedBeforeItIsEncoded(t *testing.T) {
	b := store.Batch{Shard: job.ShardID{Pool: "standard"}, Number: 1, Jobs: []store.JobBatch{storetest.NewJob(storetest.ID(1), "critical", 1)}}
	if _, err := newCodec(t).Batch(&b); !errors.Is(err, store.ErrBatch) {
		t.Errorf("a job of another pool: %v, want ErrBatch", err)
	}
	b.Jobs[0] = storetest.NewJob(storetest.ID(1), "standard", 1)
	e, err := newCodec(t).Batch(&b)
	if err != nil || e.Jobs[0].Spec == nil || e.Jobs[0].Row == nil || !e.Jobs[0].Live {
		t.Errorf("%+v, %v, want a live job with spec and row", e, err)
	}
}

func TestWhatIsDamagedIsMarkedOnce(t *testing.T) {
	if Damaged(nil) != nil {
		t.Error("nothing is damaged")
	}
	once := Damaged(errDamagedRefs)
	if !errors.Is(once, store.ErrDamaged) || Damaged(once).Error() != once.Error() {
		t.Errorf("%v", once)
	}
}
