package hosttorture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// Pace of the killer.
const leastPause, mostPause = 50 * time.Millisecond, 500 * time.Millisecond

// killer strikes one process of a host after the other. Its methods are called by
// the test's goroutine alone.
type killer struct {
	t    *testing.T
	site *site
	rand *rand.Rand

	ended     map[string]bool // commands whose end-process was killed
	reboots   []time.Time     // when the power was lost
	agents    int             // killed
	executors int             // killed
}

func (k *killer) String() string {
	return fmt.Sprintf("killed %d agents, %d executors and the end-processes of %d commands; the power was lost %d times",
		k.agents, k.executors, len(k.ended), len(k.reboots))
}

// rage strikes until the time has come.
func (k *killer) rage(ctx context.Context, until time.Time) {
	for time.Now().Before(until) && ctx.Err() == nil && !k.t.Failed() {
		lifecycle.Pause(ctx, leastPause+time.Duration(k.rand.Int64N(int64(mostPause-leastPause))))
		host := fmt.Sprintf("h%d", 1+k.rand.IntN(hosts))
		switch k.rand.IntN(10) {
		case 0, 1, 2:
			k.agents++
			k.strike("agent-" + host)
		case 3, 4, 5:
			k.executors++
			k.strike("executor-" + host)
		case 6: // both layers that could look after a command
			k.executors++
			k.killEndProcess(host)
			k.strike("executor-" + host)
		case 7: // all three
			k.agents, k.executors = k.agents+1, k.executors+1
			k.killEndProcess(host)
			k.strike("executor-"+host, "agent-"+host)
		default:
			k.killEndProcess(host)
		}
	}
}

// strike kills processes and starts them again.
func (k *killer) strike(names ...string) {
	k.t.Helper()
	k.site.Kill9All(k.t, names)
	k.site.RestartAll(k.t, names)
}

// ofCommand is how the arguments of an end-process name its command.
var ofCommand = regexp.MustCompile(`/commands/([0-9a-f-]{36})`)

// killEndProcess kills one of a host, if there is any.
func (k *killer) killEndProcess(host string) {
	found := rig.Processes(k.t, "ccs-endprocess", k.site.state("executor-"+host))
	if len(found) == 0 {
		return
	}
	p := found[k.rand.IntN(len(found))]
	id := ofCommand.FindStringSubmatch(strings.Join(p.Args, " "))
	if p.Args[0] == "ccs-endprocess" && id != nil && p.KillItself() {
		k.ended[id[1]] = true
	}
}
