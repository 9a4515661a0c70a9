package disk

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
	"github.com/ccs-project/ccs/pkg/state/roomspool/roomspooltest"
)

// folder is a directory of the operating system, as the suite wants one.
type folder struct {
	t    *testing.T
	dir  string
	log  bytes.Buffer
	last *Spool
}

func newPlace(t *testing.T) *folder {
	t.Helper()
	p := &folder{t: t, dir: filepath.Join(t.TempDir(), "spool")}
	t.Cleanup(p.Crash)
	return p
}

func (p *folder) Open() (roomspooltest.Spool, error) {
	s, err := Open(Config{Dir: p.dir, Quota: 4 << 20, SegmentBytes: 64 << 10}, slog.New(slog.NewTextHandler(&p.log, nil)))
	if err != nil {
		return nil, err
	}
	p.last = s
	return s, nil
}

// Crash gives up the descriptors, as the kernel does for who was killed.
func (p *folder) Crash() {
	if p.last != nil {
		if err := p.last.Close(); err != nil {
			p.t.Error(err)
		}
		p.last = nil
	}
}

func (p *folder) Lose() {
	p.Crash()
	if err := os.RemoveAll(p.dir); err != nil {
		p.t.Fatal(err)
	}
}

func TestADirectoryIsARoomSpool(t *testing.T) {
	roomspooltest.Run(t, func(t *testing.T) roomspooltest.Place { t.Helper(); return newPlace(t) })
}

func (p *folder) open() *Spool {
	p.t.Helper()
	if _, err := p.Open(); err != nil {
		p.t.Fatal(err)
	}
	return p.last
}

func put(t *testing.T, s *Spool, key string, size int) {
	t.Helper()
	if err := s.Commit([]roomspool.Change{{Key: key, Value: make([]byte, size)}}); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedLogIsSetAsideWithItsReason(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	id := s.ID()
	for _, key := range []string{"a", "b", "c"} {
		put(t, s, key, 70<<10)
	}
	p.Crash()
	first := filepath.Join(p.dir, segmentName(1))
	raw, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(first, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s = p.open()
	if s.ID() == id || s.Usage().Entries != 0 {
		t.Errorf("the same id: %t, %d entries", s.ID() == id, s.Usage().Entries)
	}
	reason, err := os.ReadFile(filepath.Join(p.dir, damagedDir, "reason"))
	if err != nil || !strings.Contains(string(reason), "segment 1") {
		t.Errorf("the reason is %q, %v", reason, err)
	}
	if kept, err := os.ReadFile(filepath.Join(p.dir, damagedDir, segmentName(1))); err != nil || !bytes.Equal(kept, raw) {
		t.Errorf("what is damaged is not kept: %v", err)
	}
	if !strings.Contains(p.log.String(), "set aside") {
		t.Errorf("the log says only %s", p.log.String())
	}
	put(t, s, "d", 1)
}

func TestATornTailCostsTheIDAndNothingElse(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	id := s.ID()
	put(t, s, "a", 100)
	put(t, s, "b", 100)
	p.Crash()
	name := filepath.Join(p.dir, segmentName(1))
	info, err := os.Stat(name)
	if err = errors.Join(err, os.Truncate(name, info.Size()-10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = p.open()
		got, err := roomspooltest.Contents(s)
		if err != nil || len(got) != 1 || len(got["a"]) != 100 {
			t.Errorf("it holds %d entries, %v", len(got), err)
		}
		if s.ID() == id {
			t.Error("the id is the same")
		}
		p.Crash()
	}
	if !strings.Contains(p.log.String(), "cut off") {
		t.Errorf("the log says only %s", p.log.String())
	}
}

func TestOnlyItsOwnerMayReadIt(t *testing.T) {
	p := newPlace(t)
	put(t, p.open(), "a", 1)
	var modes []string
	err := filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		modes = append(modes, filepath.Base(path)+" "+info.Mode().String())
		return err
	})
	want := []string{"spool drwx------", "lock -rw-------", segmentName(1) + " -rw-------"}
	slices.Sort(modes)
	slices.Sort(want)
	if err != nil || !slices.Equal(modes, want) {
		t.Errorf("modes %v, %v", modes, err)
	}
}

func TestWhoComesSecondIsToldWhatToDo(t *testing.T) {
	p := newPlace(t)
	p.open()
	_, err := p.Open()
	if !errors.Is(err, roomspool.ErrLocked) || !strings.Contains(err.Error(), p.dir) || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("told %v", err)
	}
}

func BenchmarkCommit(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir(), Quota: 4 << 30}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const group = 256
	value, n := make([]byte, 700), 0
	for b.Loop() {
		var changes []roomspool.Change
		for range group {
			changes = append(changes,
				roomspool.Change{Key: "t" + string(rune(n)) + "0123456789abcdef0123456789abcdef", Value: value},
				roomspool.Change{Key: "t" + string(rune(n-50_000)) + "0123456789abcdef0123456789abcdef"})
			n++
		}
		if err := s.Commit(changes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(group*b.N)/b.Elapsed().Seconds(), "records/s")
}

// A restart reads all that lives: 300,000 entries are a room of 18,000 sessions
// with 16 commands each that nobody has forgotten.
func BenchmarkOpen(b *testing.B) {
	const entries, group = 300_000, 1000
	cfg := Config{Dir: b.TempDir(), Quota: 4 << 30}
	log := slog.New(slog.DiscardHandler)
	s, err := Open(cfg, log)
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 700)
	for n := 0; n < entries; n += group {
		var changes []roomspool.Change
		for i := range group {
			changes = append(changes, roomspool.Change{Key: fmt.Sprintf("t%032d", n+i), Value: value})
		}
		if err := s.Commit(changes); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		if s, err = Open(cfg, log); err != nil {
			b.Fatal(err)
		}
		found := 0
		err := s.All(func(string, []byte) error { found++; return nil })
		if err != nil || found != entries {
			b.Fatalf("%d entries were read, want %d: %v", found, entries, err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(entries*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
