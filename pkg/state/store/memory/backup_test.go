package memory_test

import (
	"errors"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
)

func TestARestoreTakesBackWhatWasWrittenSinceTheBackup(t *testing.T) {
	s, table := memory.New(), store.HostTable()
	epoch, err := s.Claim(t.Context(), table, "s1")
	if err != nil {
		t.Fatal(err)
	}
	number := uint64(0)
	write := func(host string) error {
		t.Helper()
		number++
		row := fleet.Host{ID: fleet.HostID(host), Address: "10.0.0.1", Room: "bj01", KeyState: fleet.KeyAccepted}
		results, err := s.Commit(t.Context(), []store.Batch{{Shard: table, Epoch: epoch, Number: number, Hosts: []fleet.Host{row}}})
		if err != nil {
			t.Fatal(err)
		}
		return results[0].Err
	}
	hosts := func() (n int) {
		for _, err := range s.Hosts(t.Context(), 0) {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if err := write("h1"); err != nil {
		t.Fatal(err)
	}
	restore := s.Backup()
	for range 2 {
		if err := write("h2"); err != nil || hosts() != 2 {
			t.Fatalf("there are %d hosts (%v)", hosts(), err)
		}
		restore()
		if n := hosts(); n != 1 {
			t.Errorf("after the restore there are %d hosts", n)
		}
		number--
	}
	number += 2
	if err := write("h3"); !errors.Is(err, store.ErrBatch) {
		t.Errorf("a batch after what was taken back: %v, want that its number has a gap", err)
	}
	if _, err := s.RaiseGeneration(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := write("h3"); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a batch of the generation before: %v", err)
	}
	if next, err := s.Claim(t.Context(), table, "s1"); err != nil || next.Compare(epoch) <= 0 || next == (job.Epoch{}) {
		t.Errorf("epoch %v after %v (%v)", next, epoch, err)
	}
}
