package main

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestATimeIsShownAsOneWouldTypeIt(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", 24 * time.Hour: "24h",
		time.Hour + time.Second: "1h0m1s", 500 * time.Millisecond: "500ms", 10*time.Hour + 10*time.Minute: "10h10m",
	} {
		if got := timeText(d); got != want {
			t.Errorf("%s is shown as %s, want %s", d, got, want)
		}
	}
}

func TestATimeThatIsShownCanBeTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64Range(1, int64(1000*time.Hour)).Draw(t, "time")).Truncate(rapid.SampledFrom([]time.Duration{1, time.Second, time.Minute}).Draw(t, "unit"))
		var got time.Duration
		if err := (length{&got}).Set(timeText(want)); got != want || (err != nil) != (want == 0) {
			t.Fatalf("%s is shown as %s, which is taken as %s (%v)", want, timeText(want), got, err)
		}
	})
}
