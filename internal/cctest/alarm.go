package cctest

import (
	"slices"
	"strings"
)

// Alarms takes the errors that were logged with this text: they are what the test
// wanted, and no fault at its end. It returns the processes that logged them.
func (c *Cluster) Alarms(text string) (processes []string) {
	c.logs.mu.Lock()
	defer c.logs.mu.Unlock()
	c.logs.errors = slices.DeleteFunc(c.logs.errors, func(line string) bool {
		if !strings.Contains(line, text) {
			return false
		}
		_, rest, _ := strings.Cut(line, " process=")
		name, _, _ := strings.Cut(rest, " ")
		processes = append(processes, name)
		return true
	})
	slices.Sort(processes)
	return slices.Compact(processes)
}

// EtcdRestored gives etcd an older history, as a restore from a snapshot does: the
// one before anything was announced or owned.
func (c *Cluster) EtcdRestored() {
	c.t.Helper()
	c.hub.Rewind()
	c.seed()
}

// RoomCutOff takes away the wires between a room and the schedulers; RoomBack
// gives them back. Who is connected to the room's aggregators stays so.
func (c *Cluster) RoomCutOff(room string) { c.t.Helper(); c.roomCut(room, c.Cut) }

// RoomBack is the end of RoomCutOff.
func (c *Cluster) RoomBack(room string) { c.t.Helper(); c.roomCut(room, c.Mend) }

func (c *Cluster) roomCut(room string, do func(a, b string)) {
	c.t.Helper()
	for _, a := range c.tier(tierAggregator) {
		for _, s := range c.tier(tierScheduler) {
			if strings.HasPrefix(a.name, "aggregator-"+room+"-") {
				do(a.name, s.name)
			}
		}
	}
}
