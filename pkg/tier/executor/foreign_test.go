package executor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// orphaned has a new state directory, and a foreign end-process of the one before.
func orphaned(t *testing.T) (h *host, old proc.Identity) {
	t.Helper()
	h = boot(t)
	h.accept(shell("old", "sleep 60"))
	h.running("old")
	old = h.supervisor("old")
	tree := h.mark("old")
	h.Cleanup(func() { _ = tree.Signal(syscall.SIGKILL) })
	h.kill()
	h.poll("the directory to be gone", func() bool { return os.RemoveAll(h.state) == nil })
	h.launch()
	h.accept(shell("new", "exit 0"))
	return h, old
}

func (h *host) free(id proc.Identity) {
	h.Helper()
	v, err := spool.Look(h.state)
	if err != nil {
		h.Fatal(err)
	}
	defer v.Close()
	if err := v.Release(spool.Release{Process: id, At: time.Now(), Why: "a backup"}); err != nil {
		h.Fatal(err)
	}
}

func TestWhatAnOperatorReleasesHoldsNothingUpAndGoesOn(t *testing.T) {
	h, old := orphaned(t)
	stranger := old
	stranger.Start++
	h.free(stranger) // another process that had the pid
	h.free(old)
	h.becomes("new", task.Succeeded, task.Exit{})
	if p, err := proc.Open(old); err != nil || p.Ended() {
		t.Errorf("what was released has ended: %v", err)
	} else {
		p.Close()
	}
	if !strings.Contains(h.log(), "a backup") {
		t.Error("the log does not say why")
	}
	// It holds over a restart.
	h.kill()
	h.launch()
	h.accept(shell("newer", "exit 0"))
	h.becomes("newer", task.Succeeded, task.Exit{})
}

func TestTheReleaseOfAnotherProcessReleasesNothing(t *testing.T) {
	h, old := orphaned(t)
	stranger := old
	stranger.Start++
	h.free(stranger)
	if c := h.stop("new", 1); c.GetCommand() == nil {
		t.Error("it is not known")
	}
	h.becomes("new", task.Canceled, task.Exit{Reason: task.BeforeStart})
}

func TestReleasesOfWhatHasEndedAreDropped(t *testing.T) {
	h, old := orphaned(t)
	h.free(old)
	h.becomes("new", task.Succeeded, task.Exit{})
	h.kill()
	p, err := proc.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(h.ctx()); err != nil {
		t.Fatal(err)
	}
	h.launch()
	h.accept(shell("newer", "exit 0"))
	h.becomes("newer", task.Succeeded, task.Exit{})
	if left, _ := filepath.Glob(filepath.Join(h.state, "released.*")); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestTheWordsOfAWishStandInTheOutcomeWhoeverWritesIt(t *testing.T) {
	h := boot(t)
	wish := func(id string) {
		t.Helper()
		dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", id))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		if err := dir.StopBecause("fills /var"); err != nil {
			t.Fatal(err)
		}
	}
	for id, killed := range map[string]bool{"by-end-process": false, "by-executor": true} {
		h.accept(shell(id, "sleep 60"))
		h.running(id)
		if killed {
			h.killEndProcess(id)
		}
		wish(id)
		h.stop(id, 1)
		if c := h.ended(id); c.Report.State != task.Canceled || c.Detail.Message != "fills /var" {
			t.Errorf("%s is %v: %q", id, c.Report, c.Detail.Message)
		}
	}
}
