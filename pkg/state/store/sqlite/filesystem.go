package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNetworkFilesystem says that the file lies where SQLite cannot keep its
// promises: WAL needs memory shared between processes and locks that hold,
// and a network file system gives neither (sqlite.org/wal.html, "WAL does not
// work over a network filesystem").
var ErrNetworkFilesystem = errors.New("network file system")

// networkFilesystem names the network file system of a statfs(2) magic, or "".
// FUSE is among them because nothing tells sshfs from a local one.
func networkFilesystem(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	case unix.NCP_SUPER_MAGIC:
		return "NCP"
	case unix.OCFS2_SUPER_MAGIC:
		return "OCFS2"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE"
	case 0x01161970:
		return "GFS2"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x19830326:
		return "BeeGFS"
	case 0x20030528:
		return "PVFS2"
	}
	return ""
}

// refuseNetworkFilesystem checks the directory that is to hold the file.
func refuseNetworkFilesystem(path string) error {
	dir := filepath.Dir(path)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("cannot look at the file system of %s: %w", dir, err)
	}
	return checkMagic(dir, uint32(st.Type)) // the magic is 32 bits wide, whatever the field is
}

func checkMagic(dir string, magic uint32) error {
	name := networkFilesystem(magic)
	if name == "" {
		return nil
	}
	return fmt.Errorf("%w: %s is on %s, where SQLite cannot share a file between processes safely; "+
		"put store.dsn on a local disk, or use PostgreSQL", ErrNetworkFilesystem, dir, name)
}
