package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
)

var errOurs = errors.New("ours")

func generationOf(t *testing.T, s *Store) uint64 {
	t.Helper()
	epoch, err := s.Claim(t.Context(), job.ShardID{Pool: "standard"}, "s1")
	if err != nil {
		t.Fatalf("the store is stuck: %v", err)
	}
	return epoch.Generation
}

func TestAPanicWithinATransactionUndoesItAndTheNextOneWorks(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.writer.write(t.Context(), "write", func(ctx context.Context, tx *tx) error {
			if err := tx.exec(ctx, "UPDATE meta SET generation = 7"); err != nil {
				t.Error(err)
			}
			panic("a bug")
		})
	}()
	if got := generationOf(t, s); got != 1 {
		t.Errorf("generation %d: half of a transaction is there", got)
	}
}

func TestATransactionThatCannotBeRolledBackEndsWithItsConnection(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	for range 3 {
		err := s.writer.write(t.Context(), "write", func(ctx context.Context, tx *tx) error {
			if err := tx.exec(ctx, "UPDATE meta SET generation = 7"); err != nil {
				t.Error(err)
			}
			st, err := tx.prepared(ctx, "ROLLBACK")
			if err == nil {
				err = st.Close() // now it fails
			}
			return errors.Join(errOurs, err)
		})
		if !errors.Is(err, errOurs) || !strings.Contains(err.Error(), "connection is dropped") {
			t.Errorf("%v, want our error and that of the rollback", err)
		}
		if got := generationOf(t, s); got != 1 {
			t.Errorf("generation %d: half of a transaction is there", got)
		}
	}
	var mode string
	if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&mode); err != nil || mode != "2" {
		t.Errorf("the new connection has synchronous=%s, %v", mode, err)
	}
}
