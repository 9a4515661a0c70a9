package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/client"
)

// OwnerOf is the scheduler that etcd shows as the owner of a job now.
func (c *Cluster) OwnerOf(t *testing.T, pool, jobID string) (name string) {
	t.Helper()
	Eventually(t, func() string {
		var err error
		if name, err = c.Owner(t.Context(), pool, jobID); err != nil {
			return err.Error()
		}
		return ""
	})
	return name
}

// AwaitOtherOwner waits until another scheduler than this one owns a job.
func (c *Cluster) AwaitOtherOwner(t *testing.T, pool, jobID, than string) (name string) {
	t.Helper()
	Eventually(t, func() string {
		var err error
		if name, err = c.Owner(t.Context(), pool, jobID); err != nil || name == than {
			return fmt.Sprintf("job %s is owned by %q (%v)", jobID, name, err)
		}
		return ""
	})
	return name
}

// SignFor signs a job that a scheduler of its pool owns, as etcd says now.
func (c *Cluster) SignFor(t *testing.T, pool, owner string, r client.Request) *client.Signed {
	t.Helper()
	if len(r.Hosts) == 0 && r.Selector == "" {
		r.All = true
	}
	targets, err := c.SDK.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		signed, err := c.SDK.Sign(r, targets)
		if err != nil {
			t.Fatal(err)
		}
		if c.OwnerOf(t, pool, signed.ID) == owner {
			return signed
		}
	}
}

// Submit submits a signed job.
func (c *Cluster) Submit(t *testing.T, signed *client.Signed) client.Job {
	t.Helper()
	j, err := c.SDK.Submit(t.Context(), signed)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Freeze freezes a scheduler (SIGSTOP), but not while it holds the file of the
// job store locked: then all others would wait for it, and nothing would be
// learned of what happens without it. On PostgreSQL whoever takes its shards over
// throws it out of what it holds, so any moment will do.
func (c *Cluster) Freeze(t *testing.T, name string) {
	t.Helper()
	if c.postgres != nil {
		c.Pause(t, name)
		return
	}
	Eventually(t, func() string {
		c.Pause(t, name)
		if !c.writes(t, name) {
			return ""
		}
		c.Resume(t, name)
		return name + " is always writing to the store"
	})
}

// walWriteLock is the byte of the -shm file of SQLite that a writer locks.
const walWriteLock = "120"

// writes reports whether a process holds the store's lock for writing.
func (c *Cluster) writes(t *testing.T, name string) bool {
	t.Helper()
	var shm unix.Stat_t
	locks, err := os.ReadFile("/proc/locks")
	if err := errors.Join(err, unix.Stat(filepath.Join(c.Dir(), "store", "ccs.db-shm"), &shm)); err != nil {
		t.Fatal(err)
	}
	pids := map[string]bool{}
	for _, p := range Processes(t, filepath.Join(c.Dir(), "etc", name+".yaml")) {
		pids[strconv.Itoa(p.PID)] = true
	}
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line)
		if len(f) == 8 && f[3] == "WRITE" && pids[f[4]] && strings.HasSuffix(f[5], fmt.Sprintf(":%d", shm.Ino)) && f[6] == walWriteLock {
			return true
		}
	}
	return false
}
