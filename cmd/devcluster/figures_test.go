package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAQuantileIsATimeThatWasMeasured(t *testing.T) {
	var times []time.Duration
	if q := quantile(times, 0.5); q != 0 {
		t.Errorf("of nothing the median is %s", q)
	}
	for n := range 100 {
		times = append(times, time.Duration(100-n)) // 100, 99 … 1
	}
	for share, want := range map[float64]time.Duration{0.01: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		if got := quantile(times, share); got != want {
			t.Errorf("the %v quantile of 1 … 100 is %d, want %d", share, got, want)
		}
	}
	for share, want := range map[float64]time.Duration{0.5: 2, 0.9: 3, 0.99: 3} {
		if got := quantile([]time.Duration{3, 1, 2}, share); got != want {
			t.Errorf("the %v quantile of 1, 2, 3 is %d, want %d", share, got, want)
		}
	}
}

// rounds makes rounds of which all start within quick, but one in fifty within slow.
func rounds(quick, slow time.Duration) (all []round) {
	for n := range 200 {
		r := round{started: quick, floor: floorTimes{toStart: 2 * time.Millisecond, hops: time.Millisecond, process: time.Millisecond}}
		if n%50 == 0 {
			r.started = slow
		}
		all = append(all, r)
	}
	return all
}

func TestTheReportSaysWhetherTheBudgetHoldsAndFailsOnlyIfAsked(t *testing.T) {
	for name, c := range map[string]struct {
		rounds []round
		holds  bool
	}{
		"both within":     {rounds(budgetP50, budgetP99), true},
		"p50 is too slow": {rounds(budgetP50+1, budgetP99), false},
		"p99 is too slow": {rounds(budgetP50, budgetP99+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := report(&out, c.rounds, false); err != nil {
				t.Errorf("without --strict: %v", err)
			}
			if says := !strings.Contains(out.String(), "DOES NOT HOLD"); says != c.holds {
				t.Errorf("it says\n%s", out.String())
			}
			if err := report(&out, c.rounds, true); errors.Is(err, errOverBudget) == c.holds {
				t.Errorf("with --strict: %v", err)
			}
		})
	}
}

func TestABusyMachineIsNotBlamedOnCCS(t *testing.T) {
	all := rounds(budgetP50, budgetP99+1)
	for i := range all {
		all[i].floor.toStart = budgetP50
	}
	var out bytes.Buffer
	if err := report(&out, all, false); err != nil || !strings.Contains(out.String(), "too slow or too busy") {
		t.Errorf("%v; it says\n%s", err, out.String())
	}
}

func TestTheRatioIsOfTheSameQuantileOfTheSumOfTheFloors(t *testing.T) {
	var out bytes.Buffer
	if err := report(&out, rounds(12*time.Millisecond, 24*time.Millisecond), false); err != nil {
		t.Fatal(err)
	}
	if want := "First start: 3.0 times its floor at p50, 6.0 times at p99."; !strings.Contains(out.String(), want) {
		t.Errorf("it says\n%s\nwant in it: %s", out.String(), want)
	}
	if r := ratio(time.Second, 0); r != 0 {
		t.Errorf("without a floor the ratio is %v", r)
	}
}
