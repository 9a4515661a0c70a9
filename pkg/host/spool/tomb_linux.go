package spool

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

func (t Tomb) encode() []byte {
	r := newRecord("tomb").text("command", t.ID).when("remember_until", t.RememberUntil)
	if t.Released {
		return r.flag("released", true).encode()
	}
	return r.num("attempt", int64(t.Attempt)).opt("context", string(t.Context)).outcome(t.Outcome).encode()
}

func decodeTomb(id string, data []byte) (Tomb, error) {
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

// Bury makes a tombstone durable. ErrExists: there is one.
func (r *Root) Bury(t Tomb) error { return r.tombs.create(t.ID, t.encode(), true) }

// MarkReleased replaces whatever tombstone there is by one that only remembers.
func (r *Root) MarkReleased(id string, rememberUntil time.Time) error {
	t := Tomb{ID: id, RememberUntil: rememberUntil, Released: true}
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
		data, err := r.tombs.read(id, maxRecord)
		var t Tomb
		if err == nil {
			t, err = decodeTomb(id, data)
		}
		if errors.Is(err, ErrDamaged) {
			t, err = Tomb{ID: id, Released: true}, nil
			damaged = append(damaged, id)
		}
		if err != nil {
			return nil, nil, err
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
