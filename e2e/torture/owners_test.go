package torture

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// owning is the moment in which a scheduler became the owner of a shard.
type owning struct {
	at               time.Time
	scheduler, shard string
}

// ownings reads them in the schedulers' logs, in the order of time.
func (c cluster) ownings(t *testing.T) (all []owning) {
	t.Helper()
	for _, name := range c.Processes() {
		if !strings.HasPrefix(name, "scheduler-") {
			continue
		}
		text, err := c.Log(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			var said struct {
				Time  time.Time
				Msg   string
				Shard json.RawMessage
			}
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "shard is owned" {
				all = append(all, owning{said.Time, name, string(said.Shard)})
			}
		}
	}
	slices.SortFunc(all, func(a, b owning) int { return a.at.Compare(b.at) })
	return all
}
