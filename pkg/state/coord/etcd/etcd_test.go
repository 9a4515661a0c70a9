package etcd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ccs-project/ccs/internal/etcdserver"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/coordtest"
)

// service is an embedded etcd that comes back on the port it had.
type service struct {
	dir    string
	port   string
	server *etcdserver.Server
}

func startService(t *testing.T) *service {
	t.Helper()
	s := &service{dir: filepath.Join(t.TempDir(), "etcd")}
	s.Back(t)
	t.Cleanup(func() { s.server.Close() })
	return s
}

func (s *service) Back(t *testing.T) {
	t.Helper()
	var err error
	s.server, err = etcdserver.Start(t.Context(), etcdserver.Config{Dir: s.dir, Listen: s.port, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s.port = s.server.Endpoint()
}

func (s *service) Away(*testing.T) { s.server.Close() }

func (s *service) Rewind(t *testing.T) {
	t.Helper()
	s.Away(t)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	s.Back(t)
}

func (s *service) Client(t *testing.T) coord.Client {
	t.Helper()
	return s.client(t, 500*time.Millisecond)
}

func (s *service) client(t *testing.T, resync time.Duration) *Client {
	t.Helper()
	c, err := New(Config{Endpoints: []string{s.port}, RequestTimeout: time.Second, Resync: resync}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (s *service) Expire(t *testing.T, one coord.Session) {
	t.Helper()
	if _, err := s.client(t, time.Hour).raw.Revoke(t.Context(), one.(*session).lease); err != nil {
		t.Fatal(err)
	}
}

func TestEtcdDoesWhatACoordinationServiceMust(t *testing.T) {
	unbubbled := func(t *testing.T, test func(*testing.T)) {
		t.Helper()
		t.Parallel() // they wait for leases, not for the processor
		test(t)
	}
	coordtest.Run(t, unbubbled, func(t *testing.T) coordtest.Service {
		t.Helper()
		return startService(t)
	})
}

func TestAWatchThatFellBehindACompactionReadsEverythingAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	c := s.client(t, time.Hour)
	for i := range 20 {
		if err := c.Put(t.Context(), "k", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	now, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.raw.Compact(t.Context(), now.Revision); err != nil {
		t.Fatal(err)
	}
	w := &watch{client: c, prefix: "k", see: func(coord.View) {}}
	w.known = coord.View{Revision: 3, Items: map[string][]byte{}}
	if err := w.follow(t.Context()); err == nil {
		t.Fatal("a watch from a compacted revision goes on in silence")
	}
	if err := w.load(t.Context()); err != nil || string(w.seen.Items["k"]) != "19" {
		t.Fatalf("read again: %q, %v", w.seen.Items, err)
	}
}

// An etcd that was restored from an older snapshot, and has been written to since,
// is at a later revision than any that was told.
func TestAWatchSeesAnotherHistoryAlsoWhenItHasGrownPastTheOneBefore(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(c *Client) error{
		"a key was lost":     func(c *Client) error { return c.Delete(t.Context(), "k/1") },
		"a key has come":     func(c *Client) error { return c.Put(t.Context(), "k/3", []byte("v")) },
		"a value is another": func(c *Client) error { return c.Put(t.Context(), "k/2", []byte("w")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startService(t).client(t, time.Hour)
			for _, key := range []string{"k/1", "k/2"} {
				if err := c.Put(t.Context(), key, []byte("v")); err != nil {
					t.Fatal(err)
				}
			}
			w := &watch{client: c, prefix: "k/", see: func(coord.View) {}}
			for range 2 {
				if err := w.load(t.Context()); err != nil {
					t.Fatalf("of the same history: %v", err)
				}
			}
			told := w.known
			if err := write(c); err != nil {
				t.Fatal(err)
			}
			if err := w.load(t.Context()); err != nil {
				t.Fatalf("after a change: %v", err)
			}
			w.known.Items = told.Items // as it would be known of a history without the change
			if err := w.load(t.Context()); !errors.Is(err, coord.ErrWentBack) {
				t.Errorf("of another history: %v", err)
			}
			w.known = coord.View{Revision: told.Revision + 1000, Items: told.Items}
			if err := w.load(t.Context()); !errors.Is(err, coord.ErrWentBack) {
				t.Errorf("of a history that is not there yet: %v", err)
			}
		})
	}
}

func TestAWatchFollowsEventsWithoutReadingAgain(t *testing.T) {
	t.Parallel()
	s := startService(t)
	c := s.client(t, time.Hour)
	views := make(chan coord.View, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Watch(t.Context(), "k", func(v coord.View) { views <- v }) // the cause of the test's end
	}()
	t.Cleanup(func() { <-done })
	<-views
	began := time.Now()
	if err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	if v := <-views; string(v.Items["k"]) != "v" {
		t.Fatalf("got %q", v.Items)
	}
	t.Logf("put to watch: %v", time.Since(began))
}

func TestEveryFaultOfTheConfigIsNamed(t *testing.T) {
	err := Config{Endpoints: []string{"", "http://x:2379"}}.Validate()
	want := "etcd.endpoints[0]: \"\" must be host:port or https://host:port\n" +
		"etcd.endpoints[1]: \"http://x:2379\" must be host:port or https://host:port\n" +
		"etcd.request_timeout: must be positive, such as 5s\n" +
		"etcd.resync: must be positive, such as 30s"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	good := DefaultConfig()
	if err := good.Validate(); err == nil {
		t.Error("no endpoint is no fault")
	}
	good.Endpoints = []string{"127.0.0.1:2379", "https://etcd-1:2379"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
