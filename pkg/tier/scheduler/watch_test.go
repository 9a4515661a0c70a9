package scheduler

import (
	"testing"
	"time"
)

func TestAWatchTellsSeldomChangesAtOnceAndFrequentOnesTogether(t *testing.T) {
	for _, c := range []struct{ pace, quiet, want time.Duration }{
		{leastPace, 0, 2 * leastPace},
		{2 * leastPace, mostPace, 4 * leastPace},
		{16 * leastPace, 0, mostPace},
		{mostPace, 0, mostPace},
		{mostPace, mostPace + 1, leastPace},
	} {
		if got := nextPace(c.pace, c.quiet); got != c.want {
			t.Errorf("after a pause of %s and %s without a change it is %s, want %s", c.pace, c.quiet, got, c.want)
		}
	}
}
