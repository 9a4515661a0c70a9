package identity

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkEvery is how often, at most, handshakes look whether a file changed.
const checkEvery = time.Second

// Source holds the certificate, key and CA of a process and follows their
// files: a handshake looks at most once a second whether one of them changed.
// New files that cannot be used are reported to the log, once, and the old ones
// stay in force. It is safe for concurrent use and has no goroutine.
type Source struct {
	files Files
	log   *slog.Logger
	every time.Duration

	mu        sync.Mutex // guards all below
	now       *material
	looked    time.Time // when the files were last looked at
	state     filesState
	refusedAt time.Time // when a refused peer was last logged
	muted     uint64    // refusals since then that were not
}

// filesState tells one content of the files from another without reading them.
type filesState [3]fileState

type fileState struct {
	modified time.Time
	size     int64
	inode    uint64
}

// NewSource loads the files; they must be good now. A change of them that was
// cut off (Credential.Save) is finished first. The log must not be nil.
func NewSource(files Files, log *slog.Logger) (*Source, error) {
	if err := files.Validate(); err != nil {
		return nil, fmt.Errorf("cannot load identity: %w", err)
	}
	if err := files.finish(); err != nil {
		log.Warn("a change of the identity files was cut off and cannot be finished; the new ones are in force all the same", "error", err)
	}
	s := &Source{files: files, log: log, every: checkEvery}
	s.looked, s.state = time.Now(), files.state()
	var err error
	if s.now, err = files.load(); err != nil {
		return nil, fmt.Errorf("cannot load identity: %w", err)
	}
	return s, nil
}

// ID is who this process is, by the certificate in force.
func (s *Source) ID() ID { return s.current().id }

// NotAfter is when the certificate in force expires.
func (s *Source) NotAfter() time.Time { return s.current().cert.Leaf.NotAfter }

// current is what is in force, after a look at the files if one is due.
func (s *Source) current() *material {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.looked) < s.every {
		return s.now
	}
	s.looked = now
	state := s.files.state() // before reading: what changes meanwhile is seen next time
	if state == s.state {
		return s.now
	}
	s.state = state
	fresh, err := s.files.load()
	switch {
	case err != nil:
		s.log.Error("identity files changed but cannot be used; the old ones stay in force", "error", err, "not_after", s.now.cert.Leaf.NotAfter)
	case fresh.id != s.now.id:
		s.log.Error("identity files changed to another identity, which needs a restart; the old ones stay in force", "old", s.now.id, "new", fresh.id)
	default:
		s.log.Info("identity files reloaded", "id", fresh.id, "not_after", fresh.cert.Leaf.NotAfter)
		s.now = fresh
	}
	return s.now
}

func (f Files) state() (state filesState) {
	for i, path := range []string{f.Cert, f.Key, f.CA} {
		state[i] = stateOf(path)
	}
	return state
}

// stateOf is zero for a file that is not there, which is a state too.
func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.ModTime(), info.Size(), inode(info)}
}

// refused logs that a peer was refused: at most one a second, with the number of
// those that were not logged, so that a stranger cannot fill the disk.
func (s *Source) refused(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.refusedAt) >= time.Second {
		s.log.Warn("peer refused", "error", err, "not_logged_before", s.muted)
		s.refusedAt, s.muted = now, 0
	} else {
		s.muted++
	}
	return err
}
