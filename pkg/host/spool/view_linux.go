package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// View is a state directory as others than its executor may look at it: without
// the lock, and without changing anything but where a method says so, which is
// only where this package allows several writers. What is read of a command may
// be older than what its executor knows, and it may be gone the next moment.
// Safe for concurrent use.
type View struct {
	top, commands, tombs folder
}

// Look opens a state directory. ErrMissing: there is none.
func Look(path string) (*View, error) {
	v := &View{}
	var err error
	if v.top, err = openFolder(path); err != nil {
		return nil, err
	}
	if v.commands, err = openFolder(filepath.Join(path, commandsDir)); err != nil {
		v.top.close()
		return nil, err
	}
	if v.tombs, err = openFolder(filepath.Join(path, tombsDir)); err != nil {
		v.top.close()
		v.commands.close()
		return nil, err
	}
	return v, nil
}

// Close lets go of the directory.
func (v *View) Close() {
	v.top.close()
	v.commands.close()
	v.tombs.close()
}

// HeldBy returns whether an executor holds the directory, and the pid that it
// has written down; 0: it cannot be read. To ask, the lock is tried for a
// moment, for which an executor that starts just then waits.
func HeldBy(dir string) (pid int, held bool, err error) {
	path := filepath.Join(dir, lockFile)
	file, err := os.Open(path) //nolint:gosec // the operator names the directory
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = file.Close() }()
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return 0, false, nil
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return 0, false, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	text, _ := os.ReadFile(path) //nolint:gosec // as above
	pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	return pid, true, nil
}

// Incarnation reads the id made with the directory. ErrMissing: it has none yet.
func (v *View) Incarnation() (id [16]byte, err error) {
	data, err := v.top.read(incarnationFile, maxRecord)
	if err != nil {
		return id, err
	}
	rd, err := decode("incarnation", data)
	if err != nil {
		return id, err
	}
	id, ok := parseHexID(rd.text("id"))
	if !ok {
		return id, ErrDamaged
	}
	return id, rd.done()
}

// Watermark reads W; zero: nothing was purged yet.
func (v *View) Watermark() (time.Time, error) { return (&Root{top: v.top}).Watermark() }

// IDs names the commands that have a directory, in no order.
func (v *View) IDs() ([]string, error) {
	names, err := namesIn(v.commands.path)
	if err != nil {
		return nil, err
	}
	ids := names[:0]
	for _, name := range names {
		if CheckID(name) == nil {
			ids = append(ids, name)
		}
	}
	return ids, nil
}

// Command opens a command's directory; ErrMissing. Of its writing methods only
// those are allowed that say that others may race.
func (v *View) Command(id string) (*Command, error) {
	if CheckID(id) != nil {
		return nil, ErrMissing
	}
	return OpenCommand(filepath.Join(v.commands.path, id))
}

// Tombs reads the tombstones; damaged ones are only named.
func (v *View) Tombs() (tombs []Tomb, damaged []string, err error) {
	names, err := namesIn(v.tombs.path)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range names {
		if CheckID(id) != nil { // being written
			continue
		}
		t, err := v.Tomb(id)
		switch {
		case errors.Is(err, ErrMissing): // purged meanwhile
		case err != nil:
			damaged = append(damaged, id)
		default:
			tombs = append(tombs, t)
		}
	}
	return tombs, damaged, nil
}

// Tomb reads one tombstone; ErrMissing, ErrDamaged.
func (v *View) Tomb(id string) (Tomb, error) {
	if CheckID(id) != nil {
		return Tomb{}, ErrMissing
	}
	data, err := v.tombs.read(id, maxRecord)
	if err != nil {
		return Tomb{}, err
	}
	return decodeTomb(id, data)
}

// Aside names what could not be understood and was set aside for a person.
func (v *View) Aside() ([]string, error) {
	names, err := namesIn(filepath.Join(v.top.path, damagedDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// Release makes it durable that a foreign end-process holds nothing up, and rings
// the bell. It writes, as any number of processes may. That it was released
// before is fine.
func (v *View) Release(r Release) error {
	if err := v.top.create(r.name(), r.encode(), true); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	ring(filepath.Join(v.top.path, bellFile), ReleaseRing)
	return nil
}

// Released are the releases that stand.
func (v *View) Released() ([]Release, error) { return v.top.released() }

// Found reads a command's specification also where its executor has set it aside
// as damaged: then damaged is true, and there is no Run.
func (c *Command) Found() (s Spec, damaged bool, err error) {
	s, err = c.Spec()
	if errors.Is(err, ErrMissing) && c.dir.has(damagedOne) {
		s, err = c.readSpec(damagedOne)
		if err == nil { // whole by now, and yet nobody believes it
			err = ErrDamaged
		}
	}
	if errors.Is(err, ErrDamaged) {
		s.Run = Run{}
		return s, true, nil
	}
	return s, false, err
}

// FIFOs names the ways of output that are still there.
func (c *Command) FIFOs() []string {
	names, err := namesIn(c.dir.path)
	if err != nil {
		return nil
	}
	var left []string
	for _, name := range names {
		if strings.HasSuffix(name, ".fifo") {
			left = append(left, name)
		}
	}
	return left
}

func namesIn(path string) ([]string, error) {
	dir, err := os.Open(path) //nolint:gosec // below the directory that the operator names
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return dir.Readdirnames(-1)
}
