package agent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAnAgentThatIsRefusedTriesTheOtherAddressFirst(t *testing.T) {
	now := dayBreak()
	d := newDialer([]string{"a", "b"})
	d.next = 0
	try := func(want string, after time.Duration) {
		t.Helper()
		if d.ready(d.at.Add(-time.Millisecond)) || !d.ready(d.at) {
			t.Fatal("it is not ready when it says")
		}
		now = d.at
		if got := d.take(); got != want || now.Sub(dayBreak()) != after {
			t.Errorf("it tries %s after %s, want %s after %s", got, now.Sub(dayBreak()), want, after)
		}
	}
	_ = d.take()
	d.failed(now, 10*time.Second, 0)
	try("b", 0) // at once: to be refused is no failure
	d.failed(now, 20*time.Second, 0)
	try("a", 10*time.Second) // both have asked for time: the first that may be tried
	d.failed(now, 0, 0)
	try("a", 10*time.Second+250*time.Millisecond) // the ordinary pace, while the other wants none
	d.failed(now, 0, 0)
	try("a", 10*time.Second+750*time.Millisecond)
}

func TestAShortWaitIsWaitedAndNotSpentInAnotherQueue(t *testing.T) {
	d := newDialer([]string{"a", "b"})
	d.next = 0
	now := dayBreak()
	for _, wait := range []time.Duration{10 * time.Millisecond, time.Second, 5 * time.Second} {
		_ = d.take()
		if d.failed(now, wait, 0); d.at.Sub(now) != wait || d.failures != 0 {
			t.Errorf("asked to wait %s it waits %s after %d failures", wait, d.at.Sub(now), d.failures)
		}
		now = d.at
	}
}

// dayBreak is when the tests of the dialer begin.
func dayBreak() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

func TestNoAddressIsTriedBeforeItWantsAndNoneIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "addresses")]
		d := newDialer(names)
		d.next = 0
		now := dayBreak()
		wants, tried := map[string]time.Time{}, map[string]int{}
		for round := range rapid.IntRange(1, 40).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
			if d.at.After(now) {
				now = d.at
			}
			at := d.take()
			if now.Before(wants[at]) {
				t.Fatalf("%s is tried %s too early", at, wants[at].Sub(now))
			}
			tried[at]++
			wait := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 30}).Draw(t, "retry after")) * time.Second
			wants[at] = now.Add(wait)
			d.failed(now, wait, rapid.Float64Range(0, 0.99).Draw(t, "jitter"))
			if d.at.Sub(now) > 38*time.Second {
				t.Fatalf("the next try is in %s", d.at.Sub(now))
			}
			if round > 30 && len(tried) < len(names) {
				t.Fatalf("only %v were tried", tried)
			}
		}
	})
}
