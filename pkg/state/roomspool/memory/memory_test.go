package memory_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
	"github.com/ccs-project/ccs/pkg/state/roomspool/memory"
	"github.com/ccs-project/ccs/pkg/state/roomspool/roomspooltest"
)

// place is a disk in memory, as the suite wants one.
type place struct{ *memory.Disk }

func (p place) Open() (roomspooltest.Spool, error) {
	s, err := p.Disk.Open()
	if err != nil {
		return nil, err
	}
	return s, nil
}

func TestMemoryIsARoomSpool(t *testing.T) {
	roomspooltest.Run(t, func(*testing.T) roomspooltest.Place { return place{memory.NewDisk(4 << 20)} })
}

func TestADiskThatFailsTakesNothingUntilItIsWell(t *testing.T) {
	d := memory.NewDisk(0)
	s, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no space left on device")
	d.Fail(broken)
	change := []roomspool.Change{{Key: "a", Value: []byte("1")}}
	if err := s.Commit(change); !errors.Is(err, broken) {
		t.Errorf("a commit says %v", err)
	}
	d.Fail(nil)
	if err := s.Commit(change); err != nil || s.Usage().Entries != 1 {
		t.Errorf("later a commit says %v, and %d entries are there", err, s.Usage().Entries)
	}
}

func TestADiskThatStallsKeepsCommitsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memory.NewDisk(0)
		s, err := d.Open()
		if err != nil {
			t.Fatal(err)
		}
		resume := d.Stall()
		var wait sync.WaitGroup
		wait.Go(func() { err = s.Commit([]roomspool.Change{{Key: "a", Value: []byte("1")}}) })
		synctest.Wait()
		if n := s.Usage().Entries; n != 0 {
			t.Errorf("%d entries are there while the disk stalls", n)
		}
		resume()
		wait.Wait()
		if err != nil || s.Usage().Entries != 1 {
			t.Errorf("afterwards %v, %d entries", err, s.Usage().Entries)
		}
	})
}

func TestASpoolOfItsOwnIsLikeNoOther(t *testing.T) {
	if one, other := memory.New(), memory.New(); one.ID() == other.ID() {
		t.Error("two have one id")
	}
}
