package quarantine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
)

const (
	hosts  = 4
	shards = 2 // of each pool, so that jobs have neighbours
)

// schedulers are those of the pool of the jobs.
var schedulers = []string{"scheduler-standard-1", "scheduler-standard-2"}

type cluster struct{ *rig.Cluster }

// start starts a cluster whose schedulers have failpoints.
func start(t *testing.T) cluster {
	t.Helper()
	return cluster{rig.Start(t, devcluster.Options{
		Hosts: hosts, Bin: bin(t), Settings: map[string]map[string]any{"scheduler": {"shards": shards}},
	})}
}

// bin is the built binaries, with another scheduler among them.
func bin(t *testing.T) string {
	t.Helper()
	built, dir := rig.Bin(t), rig.Dir(t)
	entries, err := os.ReadDir(built)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "ccs-scheduler" {
			if err := os.Symlink(filepath.Join(built, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoint", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", filepath.Join(dir, "ccs-scheduler"), "github.com/ccs-project/ccs/cmd/scheduler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build a scheduler with failpoints: %v\n%s", err, output)
	}
	return dir
}

// arm makes every scheduler do what a line says; empty: nothing any more.
func (c cluster) arm(t *testing.T, line string) {
	t.Helper()
	for _, name := range schedulers {
		path := filepath.Join(c.Dir(), "state", name, "failpoints")
		if err := os.WriteFile(path+".new", []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// work is a job on all hosts that waits for a key, and what saw it.
type work struct {
	client.Job
	seen, key rig.Witness
}

func newWork(t *testing.T) work {
	t.Helper()
	return work{seen: rig.NewWitness(t), key: rig.NewWitness(t)}
}

// sign signs it and does not submit it.
func (c cluster) sign(t *testing.T, w work, note string) *client.Signed {
	t.Helper()
	r := client.Request{Command: rig.Gate(w.seen, w.key, "0"), Note: note, All: true}
	targets, err := c.SDK.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.SDK.Sign(r, targets)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (c cluster) begin(t *testing.T, note string) work {
	t.Helper()
	w := newWork(t)
	w.Job = c.Run(t, client.Request{Command: rig.Gate(w.seen, w.key, "0"), Note: note})
	return w
}

// bystanders are jobs, at least one of them in each shard.
func (c cluster) bystanders(t *testing.T) (all []work) {
	t.Helper()
	in := map[uint16]bool{}
	for len(in) < shards || len(all) < 3 {
		w := c.begin(t, "harmless")
		id, err := job.ParseID(w.ID)
		if err != nil {
			t.Fatal(err)
		}
		in[job.ShardOf(id, shards)] = true
		all = append(all, w)
	}
	for _, w := range all {
		w.seen.Await(t, hosts)
	}
	return all
}

// wentOn opens the keys of jobs and checks that each ran once on each host.
func (c cluster) wentOn(t *testing.T, all []work) {
	t.Helper()
	for _, w := range all {
		w.key.Write(t, "open")
	}
	for _, w := range all {
		rig.WantAll(t, c.Settled(t, w.ID), hosts, "SUCCEEDED")
		w.once(t)
	}
}

// once checks that a job was started once on each host.
func (w work) once(t *testing.T) {
	t.Helper()
	if lines := w.seen.Lines(t); len(lines) != hosts {
		t.Errorf("job %s was started %d times on %d hosts", w.ID, len(lines), hosts)
	}
}

// aside is a job that is quarantined, as soon as it is.
func (c cluster) aside(t *testing.T, id string, meanwhile func()) (j client.Job) {
	t.Helper()
	rig.EventuallyWithin(t, 2*rig.Patience, func() string {
		var err error
		if j, err = c.SDK.Job(t.Context(), id); err == nil && j.State == "QUARANTINED" {
			return ""
		}
		meanwhile()
		return fmt.Sprintf("job %s is %s (%v)", id, j.State, err)
	})
	return j
}

// revive starts every scheduler that is dead, and says how many were.
func (c cluster) revive(t *testing.T) (dead int) {
	t.Helper()
	for _, name := range schedulers {
		now, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		exit, err := c.Exit(now, name)
		cancel()
		if err != nil {
			continue // it lives
		}
		if exit.Code != 2 {
			t.Fatalf("%s %s, and was to die of its stack", name, exit)
		}
		dead++
		if err := c.Cluster.Cluster.Restart(t.Context(), name); err != nil {
			t.Logf("%s dies again: %.200v", name, err)
		}
	}
	return dead
}

// allBack starts whoever is dead, or dies yet, until etcd lacks nobody.
func (c cluster) allBack(t *testing.T) {
	t.Helper()
	rig.Eventually(t, func() string {
		c.revive(t)
		if lacking, err := c.Lacking(t.Context()); err != nil || len(lacking) > 0 {
			return fmt.Sprintf("etcd lacks %v (%v)", lacking, err)
		}
		return ""
	})
}

// said counts lines with a text in the logs of all schedulers.
func (c cluster) said(t *testing.T, text string) (n int) {
	t.Helper()
	for _, name := range schedulers {
		log, err := c.Log(name)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(log, text)
	}
	return n
}
