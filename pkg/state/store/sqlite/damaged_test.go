package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func (s *Store) change(t *testing.T, query string, args ...any) {
	t.Helper()
	err := s.writer.write(t.Context(), "change", func(ctx context.Context, tx *tx) error { return tx.exec(ctx, query, args...) })
	if err != nil {
		t.Fatal(err)
	}
}

func TestAJobThatCannotBeDecodedIsInNobodysWay(t *testing.T) {
	for name, query := range map[string]string{
		"spec":          "UPDATE jobs SET spec = '{' WHERE id = ?",
		"row":           "UPDATE jobs SET row = 'x' WHERE id = ?",
		"empty row":     "UPDATE jobs SET row = x'' WHERE id = ?",
		"spec a number": "UPDATE jobs SET spec = 5.5 WHERE id = ?",
		"spec no JSON":  "UPDATE jobs SET spec = x'ff' WHERE id = ?",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
			storetest.OneDamagedJob(t, s, func(id job.ID) { s.change(t, query, id[:]) })
		})
	}
}

// These are not read for a list.
func TestAJobWhoseBodyCannotBeDecodedLeavesItsShardAlive(t *testing.T) {
	const job2 = "(SELECT seq FROM jobs WHERE id = ?)"
	for name, query := range map[string]string{
		"targets":        "UPDATE bodies SET targets = x'09' WHERE job = " + job2,
		"no body":        "DELETE FROM bodies WHERE job = " + job2,
		"a release":      "INSERT INTO releases (piece, bits, job) SELECT 99999, x'01', seq FROM jobs WHERE id = ?",
		"task's outputs": "INSERT INTO tasks SELECT seq, 0, 1024, 1, 1, 0, 0, 0, 0, 0, x'01', NULL, '', 0, 0, 0 FROM jobs WHERE id = ?",
		"task's state":   "INSERT INTO tasks SELECT seq, 0, 'x', 1, 1, 0, 0, 0, 0, 0, NULL, NULL, '', 0, 0, 0 FROM jobs WHERE id = ?",
		"a control":      "INSERT INTO controls SELECT seq, 'r', '{' FROM jobs WHERE id = ?",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
			shard := job.ShardID{Pool: "standard", N: 1}
			epoch, err := s.Claim(t.Context(), shard, "s1")
			if err != nil {
				t.Fatal(err)
			}
			batch := store.Batch{Shard: shard, Epoch: epoch, Number: 1}
			for n := 1; n <= 3; n++ {
				batch.Jobs = append(batch.Jobs, storetest.NewJob(storetest.ID(n), "standard", 2))
			}
			if results, err := s.Commit(t.Context(), []store.Batch{batch}); err != nil || results[0].Err != nil {
				t.Fatalf("%+v, %v", results, err)
			}
			bad := storetest.ID(2)
			s.change(t, query, bad[:])
			loaded := 0
			for r, err := range s.LoadShard(t.Context(), shard) {
				if r.ID == bad && !errors.Is(err, store.ErrDamaged) || r.ID != bad && err != nil {
					t.Errorf("job %s: %v", r.ID, err)
				}
				loaded++
			}
			if loaded != 3 {
				t.Errorf("%d jobs came, want 3", loaded)
			}
		})
	}
}

func TestAShardThatCannotBeReadNowIsNotDamaged(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.LoadShard(ctx, job.ShardID{Pool: "standard"}) {
		if err == nil || errors.Is(err, store.ErrDamaged) {
			t.Errorf("%v, want an error that does not blame a job", err)
		}
	}
}
