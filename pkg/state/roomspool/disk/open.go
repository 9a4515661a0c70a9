package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
)

// Config is where a spool lies, and what it may take.
type Config struct {
	Dir          string // made if need be; of one process at a time
	Quota        int64  // bytes on the disk, that is never passed; at least MinQuota
	SegmentBytes int64  // after which a new segment begins; 0: 16 MiB
}

// MinQuota is the least that a spool needs, with segments of the usual size.
const MinQuota = 256 << 20

const segmentBytes = 16 << 20

// Found says what was there when a spool was opened.
type Found struct {
	Torn    bool   // the last write was cut off: the spool has taken another id
	Damaged string // why the log that was there was set aside; empty: it was not
}

// errDamage says why a log is set aside.
var errDamage = errors.New("the log is damaged")

// Open opens the spool in a directory, which nobody else may have open: the error
// then wraps roomspool.ErrLocked. What cannot be read is set aside below the
// directory, in damaged/, and an empty spool begins.
func Open(cfg Config, log *slog.Logger) (*Spool, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the room spool: %w", err)
	}
	held, err := lock(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the room spool: %w", err)
	}
	s, found, err := open(cfg, directory{cfg.Dir})
	if err != nil {
		return nil, fmt.Errorf("cannot open the room spool in %s: %w", cfg.Dir, errors.Join(err, held.Close()))
	}
	s.lock = held
	switch {
	case found.Damaged != "":
		log.Error("room spool cannot be read and is set aside; hosts and schedulers say everything again, nothing is lost",
			"reason", found.Damaged, "dir", cfg.Dir, "aside", damagedDir, "spool_id", s.ID())
	case found.Torn:
		log.Warn("last write of the room spool was cut off; hosts say everything again", "dir", cfg.Dir, "spool_id", s.ID())
	}
	return s, nil
}

// open does it in any kind of directory.
func open(cfg Config, dir files) (*Spool, Found, error) {
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = segmentBytes
	}
	s := &Spool{cfg: cfg, dir: dir, index: map[string]place{}}
	torn, err := s.load()
	if errors.Is(err, errDamage) {
		return s.afresh(err.Error())
	}
	if err != nil {
		return nil, Found{}, errors.Join(err, s.closeFiles())
	}
	if len(s.segments) > 0 && !torn {
		s.id = s.segments[len(s.segments)-1].id
		return s, Found{}, nil
	}
	err = s.rename()
	return s, Found{Torn: torn}, err
}

// rename begins a segment under another id.
func (s *Spool) rename() error {
	_, _ = rand.Read(s.id[:]) // never fails
	h := header{id: s.id, number: 1, oldest: 1}
	if n := len(s.segments); n > 0 {
		last := s.segments[n-1]
		h.number, h.oldest, h.prevEnd = last.number+1, s.segments[0].number, last.end
	}
	made, err := create(s.dir, h)
	if err != nil {
		return errors.Join(err, s.closeFiles())
	}
	s.segments = append(s.segments, made)
	s.held += headerBytes
	return nil
}

// afresh sets what is there aside and begins an empty spool.
func (s *Spool) afresh(reason string) (*Spool, Found, error) {
	names, err := s.dir.Names()
	if err = errors.Join(err, s.closeFiles()); err != nil {
		return nil, Found{}, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, is := segmentNumber(name); return !is })
	if err := s.dir.Aside(names, reason); err != nil {
		return nil, Found{}, err
	}
	fresh := &Spool{cfg: s.cfg, dir: s.dir, index: map[string]place{}}
	err = fresh.rename()
	return fresh, Found{Damaged: reason}, err
}
