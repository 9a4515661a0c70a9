package spool

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Tomb is what is remembered of a command without a directory: that it was
// released, or what was decided of a command that was never accepted.
type Tomb struct {
	ID            string
	RememberUntil time.Time // E; zero: unknown, kept until a person removes it
	Released      bool      // the caller has said that it may be forgotten
	Attempt       uint32    // of the outcome; only if not released
	Outcome       Outcome   // only if not released
	Context       []byte    // only if not released
}

// encode writes the record twice, with a sum each: an outcome that was told to
// nobody yet must survive a bad spot of the disk.
func (t Tomb) encode() []byte {
	one := t.once()
	return append(slices.Clip(one), one...)
}

func (t Tomb) once() []byte {
	r := newRecord("tomb").text("command", t.ID).when("remember_until", t.RememberUntil)
	if t.Released {
		return r.flag("released", true).encode()
	}
	return r.num("attempt", int64(t.Attempt)).opt("context", string(t.Context)).outcome(t.Outcome).encode()
}

// decodeTomb believes the first copy that is whole.
func decodeTomb(id string, data []byte) (Tomb, error) {
	for _, part := range parts(data) {
		if t, err := decodeOneTomb(id, part); err == nil {
			return t, nil
		}
	}
	return Tomb{}, ErrDamaged
}

func decodeOneTomb(id string, data []byte) (Tomb, error) {
	r, err := decode("tomb", data)
	if err != nil {
		return Tomb{}, err
	}
	t := Tomb{ID: r.text("command"), RememberUntil: r.when("remember_until"), Released: r.flag("released")}
	if !t.Released {
		t.Attempt, t.Context, t.Outcome = r.uint32("attempt"), []byte(r.opt("context")), r.outcome()
	}
	if t.ID != id {
		return Tomb{}, ErrDamaged
	}
	return t, r.done()
}

// Bury makes a tombstone durable and returns the one that stands: there may be
// one of a call before, which failed after it was written.
func (r *Root) Bury(t Tomb) (Tomb, error) {
	data := t.encode()
	err := verify(data, maxRecord, func(data []byte) ([]byte, error) {
		back, err := decodeTomb(t.ID, data)
		return back.encode(), err
	})
	if err != nil {
		return Tomb{}, err
	}
	if planted.Bug("a refusal leaves no record") {
		return t, nil
	}
	err = r.tombs.create(t.ID, data, true)
	if !errors.Is(err, ErrExists) {
		return t, err
	}
	stands, _, err := r.tomb(t.ID)
	return stands, err
}

// tomb reads one. A damaged one still stands: it is returned as released, with
// an unknown remember-until.
func (r *Root) tomb(id string) (t Tomb, damaged bool, err error) {
	data, err := r.tombs.read(id, maxRecord)
	if err == nil {
		t, err = decodeTomb(id, data)
	}
	if errors.Is(err, ErrDamaged) {
		return Tomb{ID: id, Released: true}, true, nil
	}
	return t, false, err
}

// MarkReleased replaces whatever tombstone there is by one that only remembers.
func (r *Root) MarkReleased(id string, rememberUntil time.Time) error {
	t := Tomb{ID: id, RememberUntil: rememberUntil, Released: true}
	if planted.Bug("no tombstone") {
		return nil
	}
	return r.tombs.replace(id, t.encode())
}

// Tombs reads all tombstones. One that cannot be read still stands: it is
// returned as released, with an unknown remember-until, and named in damaged.
func (r *Root) Tombs() (tombs []Tomb, damaged []string, err error) {
	entries, err := os.ReadDir(r.tombs.path)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		id := entry.Name()
		if strings.HasPrefix(id, ".tmp.") {
			_ = unix.Unlinkat(r.tombs.fd, id, 0)
			continue
		}
		t, bad, err := r.tomb(id)
		if err != nil { // of this one only: the others are not held up
			t, bad = Tomb{ID: id, Released: true}, true
		}
		if bad {
			damaged = append(damaged, id)
		}
		tombs = append(tombs, t)
	}
	return tombs, damaged, nil
}

// Purge deletes tombstones whose remember-until is past. W is raised first.
func (r *Root) Purge(ids []string, w time.Time) error {
	if err := r.RaiseWatermark(w); err != nil {
		return err
	}
	for _, id := range ids {
		if err := unix.Unlinkat(r.tombs.fd, id, 0); err != nil && !errors.Is(err, unix.ENOENT) {
			return r.tombs.fault("unlink", id, err)
		}
	}
	return r.tombs.sync()
}
