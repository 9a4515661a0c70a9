package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func (s *Store) change(t *testing.T, query string, id job.ID) {
	t.Helper()
	if tag, err := s.writers.Exec(t.Context(), query, uuid(id)); err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %v, %v", query, tag, err)
	}
}

func TestAJobThatCannotBeDecodedIsInNobodysWay(t *testing.T) {
	for name, query := range map[string]string{
		"spec a number":  "UPDATE jobs SET spec = '5.5' WHERE id = $1",
		"row a text":     `UPDATE jobs SET row = '"x"' WHERE id = $1`,
		"spec's parent":  `UPDATE jobs SET spec = '{"Parent": "x"}' WHERE id = $1`,
		"row's revision": `UPDATE jobs SET row = '{"Revision": -1}' WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, shared.DSN(t))
			storetest.OneDamagedJob(t, s, func(id job.ID) { s.change(t, query, id) })
		})
	}
}

// These are not read for a list.
func TestAJobWhoseBodyCannotBeDecodedLeavesItsShardAlive(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	epoch := claim(t, s, "s1")
	queries := []string{
		`UPDATE bodies SET targets = '\x09' WHERE job = $1`,
		"DELETE FROM bodies WHERE job = $1",
		`INSERT INTO releases (job, piece, bits) VALUES ($1, 99999, '\x01')`,
		`INSERT INTO releases (job, piece, bits) VALUES ($1, -1, '\x01')`,
		`INSERT INTO tasks VALUES ($1, 1, 0, 0, 0, 1024, 1, 0, 0, 0, 0, false, false, '\x01', NULL, '')`,
		"INSERT INTO tasks VALUES ($1, 1, 0, 0, 0, -1, 1, 0, 0, 0, 0, false, false, NULL, NULL, '')",
		"INSERT INTO controls VALUES ($1, 'r', '7')",
	}
	var jobs []store.JobBatch
	for n := range len(queries) + 1 {
		jobs = append(jobs, aJob(n+1))
	}
	mustCommit(t, s, aBatch(epoch, 1, jobs...))
	for n, query := range queries {
		s.change(t, query, storetest.ID(n+1))
	}
	loaded := 0
	for r, err := range s.LoadShard(t.Context(), theShard()) {
		loaded++
		if sound := loaded > len(queries); errors.Is(err, store.ErrDamaged) == sound || sound && err != nil {
			t.Errorf("job %d (%s): %v", loaded, r.ID, err)
		}
	}
	if loaded != len(jobs) {
		t.Errorf("%d jobs came, want %d", loaded, len(jobs))
	}
	if _, err := s.Tasks(t.Context(), storetest.ID(5), store.TaskQuery{}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("the tasks of a damaged job: %v, want ErrDamaged", err)
	}
}

func TestAnOutputThatIsDamagedIsSaidToBe(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	b := aJob(1)
	b.Outputs = []store.Output{{Digest: [32]byte{1}, Content: []byte(strings.Repeat("line\n", 1000))}}
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, b))
	var stored, size int
	if err := s.readers.QueryRow(t.Context(), "SELECT length(content), size FROM outputs").Scan(&stored, &size); err != nil || stored > 500 || size != 5000 {
		t.Errorf("5,000 bytes are stored as %d and said to be %d, %v", stored, size, err)
	}
	s.change(t, `UPDATE outputs SET content = '\x010203' WHERE job = $1`, b.ID)
	if _, err := s.Output(t.Context(), b.ID, [32]byte{1}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v, want ErrDamaged", err)
	}
}

func TestAShardThatCannotBeReadNowIsNotDamaged(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.LoadShard(ctx, theShard()) {
		if err == nil || errors.Is(err, store.ErrDamaged) {
			t.Errorf("%v, want an error that does not blame a job", err)
		}
	}
}
