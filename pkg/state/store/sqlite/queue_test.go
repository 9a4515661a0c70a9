package sqlite

import (
	"path/filepath"
	"testing"
)

func TestOneWriterIsAtTheHeadOfTheQueueAndItsEndFreesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db-queue")
	queues := make([]*queue, 3) // each opened the file for itself, as processes do
	for i := range queues {
		q, err := openQueue(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.close() })
		queues[i] = q
	}
	one, two, three := queues[0], queues[1], queues[2]
	if !one.enter() {
		t.Fatal("nobody is there, and the first does not get in")
	}
	if two.enter() {
		t.Error("two are at the head")
	}
	one.leave()
	if !two.enter() {
		t.Error("the first has left, and the second does not get in")
	}
	if err := two.close(); err != nil { // as when its process dies
		t.Fatal(err)
	}
	if !three.enter() {
		t.Error("the second is gone, and the third does not get in")
	}
}

func TestAStoppedHeadOfTheQueueHoldsNobodyUpForLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	stopped, err := openQueue(path + "-queue")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stopped.close() })
	if !stopped.enter() {
		t.Fatal("the queue is not free")
	}
	if _, err := s.RaiseGeneration(t.Context()); err != nil {
		t.Errorf("a write past the queue: %v", err)
	}
}
