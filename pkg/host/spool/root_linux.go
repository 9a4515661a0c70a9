package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Names in the state directory.
const (
	lockFile        = "lock"
	incarnationFile = "incarnation"
	sessionsFile    = "sessions"
	watermarkFile   = "watermark"
	bellFile        = "bell"
	commandsDir     = "commands"
	tombsDir        = "tombs"
	damagedDir      = "damaged"
)

// Root is the state directory, held by one executor. Its methods are for one
// goroutine, but those on different commands may be used side by side.
type Root struct {
	top, commands, tombs folder
	lock                 *os.File
	incarnation          [16]byte
}

// Open makes or opens the state directory and takes its lock. It refuses a
// directory that another executor holds, naming its pid, and one whose identity
// is lost while it still holds commands.
func Open(path string) (*Root, error) {
	for _, dir := range []string{path, filepath.Join(path, commandsDir), filepath.Join(path, tombsDir), filepath.Join(path, damagedDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	r := &Root{}
	var err error
	if r.lock, err = takeLock(filepath.Join(path, lockFile)); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to   *folder
		name string
	}{{&r.top, ""}, {&r.commands, commandsDir}, {&r.tombs, tombsDir}} {
		if *f.to, err = openFolder(filepath.Join(path, f.name)); err != nil {
			return nil, errors.Join(err, r.lock.Close())
		}
	}
	if err = r.identify(); err == nil {
		err = r.makeBell()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close gives the directory back.
func (r *Root) Close() {
	r.top.close()
	r.commands.close()
	r.tombs.close()
	_ = r.lock.Close()
}

// An executor that was killed while it started an end-process leaves its lock to
// the child for the moment until that has become the end-process.
const (
	lockPatience = time.Second
	lockPause    = 10 * time.Millisecond
)

// LockedError says who holds a state directory.
type LockedError struct{ Path, Holder string }

func (e *LockedError) Error() string {
	return "cannot take the state directory: " + e.Path + " is held by the executor with pid " + e.Holder +
		"; stop that one, or give this one a state_dir of its own"
}

func takeLock(path string) (*os.File, error) {
	// It is held open for reading alone: so an administrator can make the disk
	// read-only under us.
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for until := time.Now().Add(lockPatience); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(until); {
		time.Sleep(lockPause)
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path) //nolint:gosec // as above
		_ = file.Close()
		return nil, &LockedError{Path: filepath.Dir(path), Holder: strings.TrimSpace(string(holder))}
	}
	if err == nil {
		err = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// identify reads the incarnation, or makes one if the directory is new.
func (r *Root) identify() error {
	data, err := r.top.read(incarnationFile, maxRecord)
	if errors.Is(err, ErrMissing) {
		return r.newIncarnation()
	}
	if err != nil {
		return err
	}
	if r.incarnation, err = decodeIncarnation(data); err != nil {
		return r.lost("is damaged")
	}
	return nil
}

func decodeIncarnation(data []byte) (id [16]byte, err error) {
	r, err := decode("incarnation", data)
	if err != nil {
		return id, err
	}
	id, ok := parseHexID(r.text("id"))
	r.failed = r.failed || !ok
	return id, r.done()
}

func (r *Root) lost(how string) error {
	return errors.New("cannot tell which incarnation " + r.top.path + " is: its file `incarnation` " + how +
		"; restore the file, or move the whole directory away: the host is then new, and what ran under the old one is lost")
}

func (r *Root) newIncarnation() error {
	for _, dir := range []folder{r.commands, r.tombs} {
		names, err := os.ReadDir(dir.path)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return r.lost("is missing, but there are commands")
		}
	}
	id, err := random()
	if err != nil {
		return err
	}
	r.incarnation = id
	return r.top.create(incarnationFile, newRecord("incarnation").text("id", hexID(id)).encode(), true)
}

func (r *Root) makeBell() error {
	path := filepath.Join(r.top.path, bellFile)
	err := unix.Mkfifo(path, 0o600)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return nil
}

// OpenBell opens the end on which ids of commands with news arrive, one a line.
func (r *Root) OpenBell() (*os.File, error) {
	return os.OpenFile(filepath.Join(r.top.path, bellFile), os.O_RDWR|unix.O_NONBLOCK, 0)
}

// Incarnation returns the random id made with the directory.
func (r *Root) Incarnation() [16]byte { return r.incarnation }

// ReserveSessions returns the first of count numbers that were never handed
// out before; that they are taken is durable.
func (r *Root) ReserveSessions(count uint32) (uint64, error) {
	next := uint64(1)
	data, err := r.top.read(sessionsFile, maxRecord)
	if err == nil {
		next, err = decodeSessions(data)
	}
	if err != nil && !errors.Is(err, ErrMissing) {
		return 0, err
	}
	data = newRecord("sessions").size("next", next+uint64(count)).encode()
	return next, r.top.replace(sessionsFile, data)
}

func decodeSessions(data []byte) (next uint64, err error) {
	r, err := decode("sessions", data)
	if err != nil {
		return 0, err
	}
	return r.size("next"), r.done()
}

// Watermark returns W, the greatest remember-until that was purged; zero: none.
func (r *Root) Watermark() (time.Time, error) {
	data, err := r.top.read(watermarkFile, maxRecord)
	if errors.Is(err, ErrMissing) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return decodeWatermark(data)
}

func decodeWatermark(data []byte) (time.Time, error) {
	r, err := decode("watermark", data)
	if err != nil {
		return time.Time{}, err
	}
	return r.when("until"), r.done()
}

// RaiseWatermark makes a greater W durable.
func (r *Root) RaiseWatermark(w time.Time) error {
	if planted.Bug("W not kept") {
		return nil
	}
	return r.top.replace(watermarkFile, newRecord("watermark").when("until", w).encode())
}

// Free returns how many bytes and files may still be written to the disk of the
// directory. A file system that does not count files has room for many.
func (r *Root) Free() (bytes, files uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(r.top.fd, &st); err != nil {
		return 0, 0, r.top.fault("statfs", "", err)
	}
	files = st.Ffree
	if st.Files == 0 {
		files = 1 << 32
	}
	return st.Bavail * uint64(st.Bsize), files, nil //nolint:gosec // a block has a size
}
