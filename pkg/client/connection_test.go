package client

import (
	"context"
	"crypto/ed25519"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

// replica tells of a job that runs, as often as it is asked, and of its end only
// to the second who asks.
type replica struct {
	accessv1.UnimplementedAccessServiceServer

	asked atomic.Int32
}

func (r *replica) WatchJob(_ *accessv1.WatchJobRequest, out grpc.ServerStreamingServer[accessv1.WatchJobResponse]) error {
	state := typesv1.JobState_JOB_STATE_DONE
	if r.asked.Add(1) == 1 {
		state = typesv1.JobState_JOB_STATE_RUNNING
	}
	if err := out.Send(&accessv1.WatchJobResponse{Job: &typesv1.Job{State: state}, CompleteRevision: 1}); err != nil {
		return err
	}
	<-out.Context().Done()
	return out.Context().Err()
}

// line is a connection whose other end may lose its power: nothing is closed, and
// nothing arrives any more.
type line struct {
	net.Conn
	dead *atomic.Bool
}

func (l line) Write(b []byte) (int, error) {
	if l.dead.Load() {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

// dialReplica connects a client as New does, over lines in memory; cut takes the
// power from those that there are.
func dialReplica(t *testing.T) (c *Client, cut func()) {
	t.Helper()
	lis := bufconn.Listen(64 << 10)
	server := grpc.NewServer()
	accessv1.RegisterAccessServiceServer(server, &replica{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lis) })
	dead := &atomic.Bool{}
	conn, err := grpc.NewClient("passthrough:///access", append(dialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			inner, err := lis.DialContext(ctx)
			return line{inner, dead}, err
		}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
	c = Over(conn, ed25519.PrivateKey{})
	c.close = conn.Close
	return c, func() {
		was := dead
		dead = &atomic.Bool{} // of the lines to come
		was.Store(true)
	}
}

func TestAWatchNoticesThatAReplicaHasLostItsPower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, cut := dialReplica(t)
		began := time.Now()
		var states []string
		for u, err := range c.Watch(t.Context(), "j", 0) {
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, u.Job.State)
			if len(states) == 1 {
				cut()
			}
		}
		if strings.Join(states, " ") != "RUNNING DONE" {
			t.Errorf("seen was %v", states)
		}
		if took := time.Since(began); took > askAfter+answersIn+2*time.Second {
			t.Errorf("it took %s to notice", took)
		}
	})
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := dialReplica(t)
		var closed time.Time
		var last error
		for _, err := range c.Watch(t.Context(), "j", 0) {
			if last = err; err == nil {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				closed = time.Now()
			}
		}
		if last == nil || CodeOf(last) != Canceled || time.Since(closed) > 2*time.Second {
			t.Errorf("it ended %s later with %v, code %s", time.Since(closed), last, CodeOf(last))
		}
		if _, err := c.Job(t.Context(), "j"); CodeOf(err) != Canceled {
			t.Errorf("a call after Close fails with %v, code %s", err, CodeOf(err))
		}
	})
}
