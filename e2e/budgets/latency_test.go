package budgets

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// mostOverFloor is how many times the floor a start may take. The floor has two
// durable files and the fork of one program: the specification and the attempt's
// record, and what runs the command.
const mostOverFloor = 8

// From the call that has a command accepted to the moment in which its process
// is made. The floor is taken in turns with it, on the same disk.
func TestFromAcceptanceToTheStart(t *testing.T) {
	const starts = 150
	h := newHost(t)
	var took, floor []time.Duration
	for n := range starts {
		floor = append(floor, h.floor())
		begun := time.Now()
		h.start(id(n), "/bin/true")
		h.await(n+1, task.Succeeded)
		for _, c := range h.list() {
			if c.ID == id(n) {
				took = append(took, c.Detail.StartedAt.Sub(begun))
			}
		}
	}
	slices.Sort(took)
	slices.Sort(floor)
	const half, most = starts / 2, starts * 99 / 100
	t.Logf("accept → exec: p50 %v, p99 %v; floor: p50 %v, p99 %v; %.1f times", took[half], took[most], floor[half], floor[most], float64(took[half])/float64(floor[half]))
	if took[half] > mostOverFloor*floor[half] {
		t.Errorf("it takes %v, more than %d times the floor of %v", took[half], mostOverFloor, floor[half])
	}
}

// floor is the time of two durable files and of a program that does nothing.
func (h *host) floor() time.Duration {
	h.Helper()
	begun := time.Now()
	for range 2 {
		h.durable()
	}
	if err := exec.Command("/bin/true").Run(); err != nil {
		h.Fatal(err)
	}
	return time.Since(begun)
}

// durable makes a file whose bytes and name are on the disk.
func (h *host) durable() {
	h.Helper()
	file, err := os.CreateTemp(h.dir, "floor")
	if err != nil {
		h.Fatal(err)
	}
	_, err = file.Write(make([]byte, 500))
	if err == nil {
		err = file.Sync()
	}
	_ = file.Close()
	dir, openErr := os.Open(h.dir)
	if openErr != nil || err != nil {
		h.Fatal(err, openErr)
	}
	if err := dir.Sync(); err != nil {
		h.Fatal(err)
	}
	_ = dir.Close()
}
