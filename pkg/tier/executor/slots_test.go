package executor

import "testing"

func TestAllGroupsTogetherMayRunAsMuchAsOneOfThem(t *testing.T) {
	for _, c := range []struct {
		slots, total, running int
		full                  bool
	}{
		{slots: 2, total: 3, running: 2},
		{slots: 2, total: 3, running: 3, full: true},
		{slots: 1000, total: 256, running: 999}, // given many slots before there was a total
		{slots: 1000, total: 256, running: 1000, full: true},
		{slots: 2, total: 0, running: 100_000}, // no total
	} {
		e := &Executor{cfg: Config{Slots: c.slots, SlotsTotal: c.total}, running: c.running}
		if e.fullHouse() != c.full {
			t.Errorf("slots %d, slots_total %d: with %d running the host is full: %v", c.slots, c.total, c.running, !c.full)
		}
	}
}

func TestOlderConfigurationsWithManySlotsAreGood(t *testing.T) {
	c := Default()
	c.Slots, c.EndProcess = 1000, "/bin/true"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
