package torture

import (
	"math"
	"testing"
	"time"
)

// What a run of fullTime has to have seen at least, or it says little. It is
// counted in what comes by itself: tasks come in jobs of as many as there are
// hosts.
const (
	fullTime     = 3 * time.Minute
	leastKills   = 60
	leastTasks   = 1000
	leastOwnings = 5 // shards that went over to another scheduler, at different times
)

// floor is the least that a run has to have seen in its duration, of what a full
// one has to have seen inFullTime in lots of so many.
//
// A longer run has to see no less. A shorter one has its part p of the time, and
// of n lots that fall anywhere in the full time n·p ± √(n·p·(1-p)) fall into it
// (binomial). Two of these less is the floor, so that what is enough in the full
// time is not called too little in a part of it by chance; but one at least.
func floor(inFullTime, lot int, duration time.Duration) int {
	p := min(1, duration.Seconds()/fullTime.Seconds())
	n := float64(inFullTime) / float64(lot)
	lots := n*p - 2*math.Sqrt(n*p*(1-p))
	return max(1, int(math.Floor(lots*float64(lot))))
}

// least checks that a run was hard enough to mean something.
func least(t *testing.T, what string, got, want int, duration time.Duration) {
	t.Helper()
	if got < want {
		t.Errorf("only %d %s in %v, want %d: the run says little", got, what, duration, want)
	}
}

func TestTheFloorOfAFullRunIsWholeAndThatOfAShortOneLeavesRoomForChance(t *testing.T) {
	for _, c := range []struct {
		duration            time.Duration
		kills, tasks, moves int
	}{
		{time.Hour, 60, 1000, 5},
		{3 * time.Minute, 60, 1000, 5},
		{90 * time.Second, 22, 358, 1},
		{time.Minute, 12, 199, 1},
		{10 * time.Second, 1, 1, 1},
	} {
		kills, tasks := floor(leastKills, 1, c.duration), floor(leastTasks, hosts, c.duration)
		moves := floor(leastOwnings, 1, c.duration)
		if kills != c.kills || tasks != c.tasks || moves != c.moves {
			t.Errorf("in %v: %d kills, %d tasks, %d take-overs at least, want %d, %d, %d",
				c.duration, kills, tasks, moves, c.kills, c.tasks, c.moves)
		}
	}
}
