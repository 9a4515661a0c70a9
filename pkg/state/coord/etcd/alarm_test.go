package etcd

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

func TestAClientSaysThatEtcdWentBackForAsLongAsItLives(t *testing.T) {
	t.Parallel()
	s := startService(t)
	c := s.client(t, 50*time.Millisecond)
	if err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	views := make(chan coord.View, 100)
	go func() { _ = c.Watch(t.Context(), "k", func(v coord.View) { views <- v }) }()
	if v := <-views; v.Alarm != nil || c.WentBack() {
		t.Fatalf("before anything has happened: alarm %v, went back %v", v.Alarm, c.WentBack())
	}
	s.Rewind(t)
	for v := range views {
		if v.Alarm != nil {
			break
		}
	}
	if !c.WentBack() {
		t.Error("a watch raised the alarm, and the client does not say so")
	}
	s.Away(t)
	s.Back(t)
	if !c.WentBack() {
		t.Error("the alarm went away without an operator's word")
	}
}
