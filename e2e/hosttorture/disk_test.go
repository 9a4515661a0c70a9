package hosttorture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
)

// imageBytes is the size of the disk; the file that holds it has holes.
const imageBytes = 1 << 30

// disk is a file system in a file, where the hosts have their state.
type disk struct {
	t     *testing.T
	dir   string // where it is mounted
	image string // what holds it now
	cuts  int
}

// newDisk makes one below a directory. It ends with the test.
func newDisk(t *testing.T, root string) *disk {
	t.Helper()
	d := &disk{t: t, dir: filepath.Join(root, "disk"), image: filepath.Join(root, "image-0")}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(d.image, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Truncate(imageBytes)
		_ = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	do(t, "mkfs.ext4", "-q", "-F", d.image)
	d.mount()
	t.Cleanup(func() {
		if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) mount() { d.t.Helper(); do(d.t, "mount", "-o", "loop", d.image, d.dir) }

// snapshot keeps what a loss of power would leave now. Nobody may be writing.
func (d *disk) snapshot() {
	d.t.Helper()
	d.cuts++
	do(d.t, "cp", "--sparse=always", d.image, d.next())
}

func (d *disk) next() string {
	return filepath.Join(filepath.Dir(d.image), fmt.Sprintf("image-%d", d.cuts))
}

// restore puts what the snapshot kept in the place of what is there. Nobody may
// have a file open.
func (d *disk) restore() {
	d.t.Helper()
	before := d.image
	rig.Eventually(d.t, func() string { // the last thread of who was killed may be on its way out
		if err := unix.Unmount(d.dir, 0); err != nil {
			return "the disk cannot be taken away: " + err.Error()
		}
		return ""
	})
	d.image = d.next()
	d.mount()
	if err := os.Remove(before); err != nil {
		d.t.Fatal(err)
	}
}

// do runs a program of the system.
func do(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func TestALossOfPowerTakesWhatWasNotSynced(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not run: only root can mount a disk")
		return
	}
	d := newDisk(t, t.TempDir())
	for name, synced := range map[string]bool{"kept": true, "gone": false} {
		f, err := os.Create(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.WriteString(name); err == nil && synced {
			err = f.Sync()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d.snapshot()
	d.restore()
	for name, want := range map[string]string{"kept": "kept", "gone": ""} {
		if text, _ := os.ReadFile(filepath.Join(d.dir, name)); string(text) != want {
			t.Errorf("%s holds %q, want %q", name, text, want)
		}
	}
}
