package link

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheWaitDoublesUpToItsCeiling(t *testing.T) {
	b := Backoff{First: 100 * time.Millisecond, Max: time.Second}
	for failures, ms := range []int{0, 100, 200, 400, 800, 1000, 1000, 1000} {
		top := time.Duration(ms) * time.Millisecond
		if got := b.Delay(failures, 0); got != top/2 {
			t.Errorf("after %d failures at least %v, want %v", failures, got, top/2)
		}
		if got := b.Delay(failures, 1); got != top {
			t.Errorf("after %d failures at most %v, want %v", failures, got, top)
		}
	}
}

func TestNoFailureMeansNoWait(t *testing.T) {
	for _, failures := range []int{0, -1, math.MinInt} {
		if got := (Backoff{}).Delay(failures, 0.5); got != 0 {
			t.Errorf("after %d failures %v", failures, got)
		}
	}
}

func TestABackoffThatWasNotSetStillWaits(t *testing.T) {
	if got := (Backoff{}).Delay(1, 0); got != 100*time.Millisecond {
		t.Errorf("the first wait is at least %v", got)
	}
	if got := (Backoff{}).Delay(1000, 1); got != 30*time.Second {
		t.Errorf("the longest wait is %v", got)
	}
	if got := (Backoff{First: time.Hour, Max: time.Second}).Delay(1, 1); got != time.Second {
		t.Errorf("a first wait above the ceiling is %v", got)
	}
}

func TestEveryWaitIsBetweenHalfAndAllOfItsCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Backoff{
			First: time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "first")),
			Max:   time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "max")),
		}
		failures := rapid.IntRange(1, math.MaxInt).Draw(t, "failures")
		random := rapid.Float64Range(0, 1).Draw(t, "random")
		low, got, high := b.Delay(failures, 0), b.Delay(failures, random), b.Delay(failures, 1)
		if low < 0 || got < low || got > high || high > b.Max || low < high/2 {
			t.Fatalf("%v <= %v <= %v, ceiling %v", low, got, high, b.Max)
		}
		if more := b.Delay(failures, random); more != got {
			t.Fatal("the same question has two answers")
		}
		if failures < math.MaxInt && b.Delay(failures+1, random) < got {
			t.Fatal("one more failure shortens the wait")
		}
	})
}

func TestARandomNumberThatIsNoneDoesNoHarm(t *testing.T) {
	b := Backoff{First: time.Second, Max: time.Second}
	for _, random := range []float64{-1, 2, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := b.Delay(1, random); got < time.Second/2 || got > time.Second {
			t.Errorf("random %v makes %v", random, got)
		}
	}
}
