package spool

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// freezeFile is the operator's word that the host starts nothing new. It is in a
// directory of the operator's own, which outlives the state of every process.
const freezeFile = "freeze"

// Freeze is the operator's word. While the file exists the host is frozen, also
// if it cannot be read.
type Freeze struct {
	By    string    // the account that froze it, at most 256 bytes
	Since time.Time // by the host's clock
	Until time.Time // it ends by itself; zero: it does not
	Why   string    // words for a person, at most 1 KiB; may be empty
}

// Over reports whether it has ended by itself.
func (f Freeze) Over(now time.Time) bool { return !f.Until.IsZero() && !now.Before(f.Until) }

func (f Freeze) encode() []byte {
	return newRecord("freeze").opt("by", f.By).when("since", f.Since).when("until", f.Until).opt("why", f.Why).encode()
}

func decodeFreeze(data []byte) (Freeze, error) {
	r, err := decode("freeze", data)
	if err != nil {
		return Freeze{}, err
	}
	f := Freeze{By: r.opt("by"), Since: r.when("since"), Until: r.when("until"), Why: r.opt("why")}
	return f, r.done()
}

// Frozen reads the operator's word in a directory; ErrMissing: there is none,
// and the host works. Any other error: it is frozen, and nobody can say since
// when or why. The usual answer costs one system call.
func Frozen(dir string) (Freeze, error) {
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(dir, freezeFile), &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return Freeze{}, ErrMissing
	}
	top, err := openFolder(dir)
	if err != nil {
		return Freeze{}, err
	}
	defer top.close()
	data, err := top.read(freezeFile, maxRecord)
	if err != nil {
		return Freeze{}, err
	}
	return decodeFreeze(data)
}

// SetFreeze makes the word durable, in place of one that is there. Only whoever
// runs it can write the directory, which is made if it is missing; others may
// read it. On a full disk it is a word that cannot be read, unless there is one.
func SetFreeze(dir string, f Freeze) error {
	f.Why, f.By = clip(f.Why), clip(f.By)
	data := f.encode()
	err := verify(data, maxRecord, func(data []byte) ([]byte, error) {
		back, err := decodeFreeze(data)
		return back.encode(), err
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // who may not write may well know of it
		return err
	}
	top, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer top.close()
	temp, err := top.temp(data, 0o644, true)
	if full(err) {
		return top.mark(freezeFile)
	}
	if err != nil {
		return err
	}
	if err := unix.Renameat(top.fd, temp, top.fd, freezeFile); err != nil {
		_ = unix.Unlinkat(top.fd, temp, 0)
		return top.fault("rename", freezeFile, err)
	}
	return top.sync()
}

// Thaw takes the word back, durably. ErrMissing: there was none.
func Thaw(dir string) error {
	top, err := openFolder(dir)
	if err != nil {
		return err
	}
	defer top.close()
	err = unix.Unlinkat(top.fd, freezeFile, 0)
	if errors.Is(err, unix.ENOENT) {
		return ErrMissing
	}
	if err != nil {
		return top.fault("unlink", freezeFile, err)
	}
	return top.sync()
}
