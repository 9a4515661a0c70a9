package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// inPlace is a store of which a test moves the file.
type inPlace struct {
	*testing.T
	*Store
	path  string
	shard job.ShardID
	epoch job.Epoch
}

func storeInPlace(t *testing.T) *inPlace {
	t.Helper()
	p := &inPlace{T: t, path: filepath.Join(t.TempDir(), "ccs.db"), shard: job.ShardID{Pool: "standard", N: 1}}
	p.Store = open(t, p.path)
	var err error
	if p.epoch, err = p.Claim(t.Context(), p.shard, "s1"); err != nil {
		t.Fatal(err)
	}
	return p
}

// writes commits a batch.
func (p *inPlace) writes(number int) error {
	results, err := p.Commit(p.Context(), []store.Batch{helperBatch(p.shard, p.epoch, number)})
	if err != nil {
		return err
	}
	return results[0].Err
}

// reads reads as a scheduler does every second.
func (p *inPlace) reads() error {
	for _, err := range p.Hosts(p.Context(), 0) {
		return err
	}
	return nil
}

func (p *inPlace) rename(from, to string) {
	p.Helper()
	if err := os.Rename(from, to); err != nil {
		p.Fatal(err)
	}
}

// wantMoved checks that nothing is read from or written to what is not the store.
func (p *inPlace) wantMoved(when string) {
	p.Helper()
	for what, err := range map[string]error{"to write": p.writes(2), "to read": p.reads()} {
		if !errors.Is(err, store.ErrMoved) || !errors.Is(err, store.ErrUnavailable) {
			p.Errorf("%s, %s: %v, want ErrMoved and ErrUnavailable", when, what, err)
		}
	}
}

func TestAStoreWhoseFileIsMovedAwayAnswersForNothingUntilItIsBack(t *testing.T) {
	p := storeInPlace(t)
	if err := errors.Join(p.writes(1), p.reads()); err != nil {
		t.Fatal(err)
	}
	p.rename(p.path, p.path+".away")
	p.wantMoved("with the file moved away")
	if _, err := os.Stat(p.path); err == nil {
		t.Error("an empty file was made where the store was")
	}
	p.rename(p.path+".away", p.path)
	if err := errors.Join(p.writes(2), p.reads()); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	if applied, err := p.Fate(t.Context(), p.shard, p.epoch, 2); err != nil || !applied {
		t.Errorf("the batch is applied: %v, %v", applied, err)
	}
}

func TestAStoreWhoseFileIsRemovedOrReplacedAnswersForNothing(t *testing.T) {
	p := storeInPlace(t)
	other := filepath.Join(t.TempDir(), "ccs.db")
	if err := open(t, other).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.path); err != nil {
		t.Fatal(err)
	}
	p.wantMoved("with the file removed")
	p.rename(other, p.path)
	p.wantMoved("with another store in its place")
}

func TestACommitDuringWhichTheFileIsRemovedIsNotAnsweredFor(t *testing.T) {
	p := storeInPlace(t)
	err := p.writer.write(t.Context(), "write", func(ctx context.Context, tx *tx) error {
		return errors.Join(tx.exec(ctx, "UPDATE meta SET generation = 7"), os.Remove(p.path))
	})
	if !errors.Is(err, store.ErrMoved) {
		t.Errorf("%v, want ErrMoved: it was written to a file that nobody will find", err)
	}
}
