package codec

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestTargetListsComeBackAsTheyWere(t *testing.T) {
	for _, n := range []int{1, 999, 1000, 2500} {
		want := storetest.Targets(n)
		got, err := DecodeTargets(EncodeTargets(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d targets: %v", n, err)
		}
	}
}

func TestADamagedTargetListIsAnErrorAndNoPanic(t *testing.T) {
	whole := EncodeTargets(storetest.Targets(1200))
	rapid.Check(t, func(t *rapid.T) {
		cut := whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")]
		if _, err := DecodeTargets(cut); !errors.Is(err, errDamagedTargets) {
			t.Fatalf("cut: %v, want it damaged", err)
		}
		changed := slices.Clone(whole)
		changed[rapid.IntRange(0, len(whole)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "bits")
		list, err := DecodeTargets(changed) // a changed name may still be a name
		if err == nil && list.Len() != 1200 {
			t.Fatalf("%d targets out of 1200", list.Len())
		}
	})
	for _, b := range [][]byte{nil, {9}, {targetsVersion, 200}, append(slices.Clone(whole[:len(whole)-1]), 1, 2, 3)} {
		if _, err := DecodeTargets(b); !errors.Is(err, errDamagedTargets) {
			t.Errorf("% x: %v, want it damaged", b[:min(len(b), 8)], err)
		}
	}
}

func TestOutputReferencesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job.OutputRef {
			var r job.OutputRef
			r.Stream = job.Stream(rapid.ByteMax(withTail-1).Draw(t, "stream"))
			copy(r.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
			r.Size, r.Cut = rapid.Uint64().Draw(t, "size"), rapid.Uint64().Draw(t, "cut")
			r.Tail = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, "tail")
			return r
		}), 0, 4).Draw(t, "refs")
		b := EncodeRefs(want)
		got, err := DecodeRefs(b)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v became %v, %v", want, got, err)
		}
		if len(b) > 0 {
			if _, err := DecodeRefs(b[:len(b)-1]); err == nil {
				t.Fatal("references that were cut are taken for whole")
			}
		}
	})
}

func TestTimesComeBackToTheNanosecondAndNoTimeIsNone(t *testing.T) {
	for _, want := range []time.Time{{}, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Unix(-1, 1).UTC()} {
		if got := FromNanos(Nanos(want)); !got.Equal(want) || got.Location() != want.Location() {
			t.Errorf("%v became %v", want, got)
		}
	}
}

func TestARowComesBackWithItsCounts(t *testing.T) {
	want := job.Row{
		State: job.Quarantined, Wish: task.DesiredStop, Revision: math.MaxUint64, ControlRevision: 1 << 63, Conflicts: 3,
		Counts: job.CountsOf(func(yield func(task.State, int) bool) {
			_ = yield(task.Pending, 1) && yield(task.Succeeded, job.MaxTargets)
		}),
	}
	b, err := encodeRow(&want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeRow(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v became %+v, %v", want, got, err)
	}
}
