package spool

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/proc"
)

// OwnerName is the variable of an end-process that says whose it is.
const OwnerName = "CCS_EXECUTOR"

// Owner is its value: the incarnation and the state directory.
func Owner(incarnation [16]byte, dir string) string {
	return hexID(incarnation) + "@" + dir
}

// Foreign reports whether the value of OwnerName is of the same directory and of
// another incarnation: that of a directory that was there before, and is gone.
func Foreign(value string, incarnation [16]byte, dir string) bool {
	return strings.HasSuffix(value, "@"+dir) && value != Owner(incarnation, dir)
}

// releasedPrefix begins the records by which an operator has released a foreign
// end-process: nothing waits for it any more.
const releasedPrefix = "released."

// ReleaseRing rings the bell to say that something was released; no command has this id.
const ReleaseRing = "!released"

// Release is the operator's word that one foreign end-process holds nothing up.
type Release struct {
	Process proc.Identity
	At      time.Time
	Why     string // words for a person, at most 1 KiB
}

func (r Release) name() string {
	return releasedPrefix + strconv.Itoa(r.Process.PID) + "." + strconv.FormatUint(r.Process.Start, 10)
}

func (r Release) encode() []byte {
	return newRecord("release").identity(r.Process).when("at", r.At).opt("why", clip(r.Why)).encode()
}

func decodeRelease(data []byte) (Release, error) {
	rd, err := decode("release", data)
	if err != nil {
		return Release{}, err
	}
	r := Release{Process: rd.identity(), At: rd.when("at"), Why: rd.opt("why")}
	return r, rd.done()
}

// released reads the records. One that cannot be read releases nobody, and is
// left out.
func (f folder) released() ([]Release, error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	var all []Release
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), releasedPrefix) {
			continue
		}
		data, err := f.read(entry.Name(), maxRecord)
		if err != nil {
			continue
		}
		if r, err := decodeRelease(data); err == nil && r.name() == entry.Name() {
			all = append(all, r)
		}
	}
	return all, nil
}

// Released are the operator's releases that stand.
func (r *Root) Released() ([]Release, error) { return r.top.released() }

// DropRelease deletes one whose process has ended. It is not synced: one that
// comes back releases nobody.
func (r *Root) DropRelease(done Release) error {
	err := unix.Unlinkat(r.top.fd, done.name(), 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return r.top.fault("unlink", done.name(), err)
	}
	return nil
}
