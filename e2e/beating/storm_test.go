package beating

import (
	"math/rand/v2"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// deaths is how many processes die, one after another, each at whatever it is
// about.
const deaths = 60

func TestWhateverDiesAtWhateverMomentEveryTaskEndsOnce(t *testing.T) {
	t.Parallel()
	const hosts = 4
	c := rig.Start(t, devcluster.Options{Hosts: hosts, Rooms: []string{"bj01"}})
	victims := c.Processes()[1:] // etcd has tests of its own
	few := startLoad(t, c, client.Request{All: true, Concurrency: client.Amount{Count: 2}}, "0.1")
	all := startLoad(t, c, client.Request{All: true}, "0.3")
	few.awaitMore(t, 0)
	all.awaitMore(t, 0)
	for n := range deaths {
		name := victims[rand.IntN(len(victims))]
		t.Logf("death %d: %s", n+1, name)
		c.Kill9(t, name)
		c.Restart(t, name)
		if n%10 == 0 { // what died before the last of these has been got over
			few.awaitMore(t, few.count())
			all.awaitMore(t, all.count())
		}
	}
	few.awaitMore(t, few.count())
	all.awaitMore(t, all.count())
	few.judge(t, c, hosts)
	all.judge(t, c, hosts)
	for _, name := range c.Processes() {
		for _, line := range c.Errors(t, name) {
			t.Errorf("%s says: %s", name, line)
		}
	}
}
