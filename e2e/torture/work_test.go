package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// work is one job: what it was drawn as, and what CCS says of it in the end.
type work struct {
	kind     string
	request  client.Request
	witness  rig.Witness
	points   []int // targets after which it pauses
	cancelAt int   // it is canceled when so many have settled; 0: never

	id    string
	job   client.Job
	tasks []client.Task
}

// script leaves a line when the command begins, and one when it ends. Whose it
// is says the name of the FIFO that its output goes to: that lies in a directory
// which holds the host's name and the command's id. (Its parent says so only as
// long as nobody kills it.) A host fails one command in four, by its own choice.
const script = `me=$(readlink /proc/$$/fd/2); status=$(($$ %% 4 == 0)); echo "begin:$me" >>%[1]s; ` +
	`sleep %[2]s; echo "end:$status:$me" >>%[1]s; exit $status`

// draw makes up a job.
func draw(r *rand.Rand, witness rig.Witness) *work {
	w := &work{witness: witness, request: client.Request{
		All: true, Deadline: 10 * time.Minute, WaitOffline: 10 * time.Minute,
		Command: rig.Sh(fmt.Sprintf(script, witness.Path, []string{"0", "0.1", "0.5", "1.5"}[r.IntN(4)])),
	}}
	if r.IntN(5) == 0 {
		w.request.Class = "critical"
	}
	switch r.IntN(6) {
	case 0:
		w.kind = "all at once"
	case 1:
		w.kind = "some at a time"
		w.request.Concurrency = client.Amount{Count: uint32(1 + r.IntN(8))}
	case 2:
		w.kind = "batches with pause points"
		w.request.Batches = []client.Amount{{Count: 1}, {Count: uint32(2 + r.IntN(5))}, {Percent: 50}}
		w.request.PauseAfter, w.points = []uint32{1}, []int{1, 1 + int(w.request.Batches[1].Count)}
		w.request.PauseAfterBatches = []uint32{2}
	case 3:
		w.kind = "failure budget"
		w.request.Concurrency = client.Amount{Count: uint32(2 + r.IntN(6))}
		w.request.MaxFailures = &client.Budget{Count: uint32(r.IntN(4))}
		w.request.OnFailure = client.AbortOnFailure
	case 4:
		w.kind = "canceled"
		w.request.Concurrency, w.cancelAt = client.Amount{Count: 4}, 1+r.IntN(hosts/2)
	case 5:
		w.kind = "timed out"
		w.request.Command = rig.Sh(fmt.Sprintf(script, witness.Path, "600"))
		w.request.Command.Timeout, w.request.Concurrency = time.Second, client.Amount{Percent: 50}
	}
	return w
}

// further draws how far a paused job is to go, and says how many targets may
// have begun then at most.
func (w *work) further(r *rand.Rand, j client.Job) (how client.Resume, limit int) {
	next := j.Targets
	if i := slices.IndexFunc(w.points, func(p int) bool { return p > j.Released }); i >= 0 {
		next = w.points[i]
	}
	switch r.IntN(3) {
	case 0:
		return client.Resume{ToNextPoint: true}, next
	case 1:
		k := 1 + r.IntN(4)
		return client.Resume{Targets: uint32(k)}, min(j.Released+k, j.Targets)
	default:
		return client.Resume{}, j.Targets
	}
}

// says leaves a line among those of the commands.
func (w *work) says(line string) error {
	f, err := os.OpenFile(w.witness.Path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		return err
	}
	return f.Close()
}
