package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNetworkFilesystemsAreRefusedByName(t *testing.T) {
	for name, magic := range map[string]uint32{
		"NFS": unix.NFS_SUPER_MAGIC, "SMB": unix.CIFS_SUPER_MAGIC, "Ceph": unix.CEPH_SUPER_MAGIC,
		"9p": unix.V9FS_MAGIC, "FUSE": unix.FUSE_SUPER_MAGIC, "Lustre": 0x0bd00bd0,
	} {
		err := checkMagic("/srv/ccs", magic)
		if !errors.Is(err, ErrNetworkFilesystem) {
			t.Errorf("%s: %v, want ErrNetworkFilesystem", name, err)
			continue
		}
		for _, want := range []string{name, "/srv/ccs", "store.dsn", "local disk"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
	}
}

func TestLocalFilesystemsAreTaken(t *testing.T) {
	for name, magic := range map[string]uint32{
		"ext4": unix.EXT4_SUPER_MAGIC, "xfs": unix.XFS_SUPER_MAGIC, "btrfs": unix.BTRFS_SUPER_MAGIC,
		"tmpfs": unix.TMPFS_MAGIC, "overlay": unix.OVERLAYFS_SUPER_MAGIC,
	} {
		if err := checkMagic("/srv/ccs", magic); err != nil {
			t.Errorf("%s: %v, want it taken", name, err)
		}
	}
}

func TestAMissingDirectoryIsAnErrorThatNamesIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent")
	err := refuseNetworkFilesystem(filepath.Join(dir, "ccs.db"))
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v, want an error that names %s", err, dir)
	}
}
