package client_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

// promise is what the documentation says of the retries of a method.
type promise struct {
	rpc    string // the call that is repeated
	atMost time.Duration
	do     func(context.Context, *rig) error
}

func promises() map[string]promise {
	const reads, waits = 5 * time.Second, 30 * time.Second
	return map[string]promise{
		"Resolve": {"ResolveTargets", reads, func(ctx context.Context, r *rig) error { _, err := r.Resolve(ctx, uptime()); return err }},
		"Job":     {"GetJob", reads, func(ctx context.Context, r *rig) error { _, err := r.Job(ctx, "j"); return err }},
		"Host":    {"GetHost", reads, func(ctx context.Context, r *rig) error { _, err := r.Host(ctx, "h1"); return err }},
		"Jobs": {"ListJobs", reads, func(ctx context.Context, r *rig) error {
			_, err := collect(r.Jobs(ctx, client.JobFilter{}))
			return err
		}},
		"Tasks": {"ListTasks", reads, func(ctx context.Context, r *rig) error {
			_, err := collect(r.Tasks(ctx, "j", client.TaskFilter{}))
			return err
		}},
		"Hosts":   {"ListHosts", reads, func(ctx context.Context, r *rig) error { _, err := collect(r.Hosts(ctx, "")); return err }},
		"Results": {"GetJob", reads, func(ctx context.Context, r *rig) error { _, err := collect(r.Results(ctx, "j")); return err }},
		"Verify": {"GetHost", reads, func(ctx context.Context, r *rig) error {
			s := newSigner(r.t)
			return r.Verify(ctx, s.result.JobID.String(), s.task(r))
		}},
		"Output": {"GetOutput", reads, func(ctx context.Context, r *rig) error {
			r.sends("")
			return r.Output(ctx, "j", refTo("x"), &bytes.Buffer{})
		}},
		"Watch":  {"WatchJob", waits, func(ctx context.Context, r *rig) error { _, err := collect(r.Watch(ctx, "j", 0)); return err }},
		"Cancel": {"CancelJob", waits, func(ctx context.Context, r *rig) error { _, err := r.Cancel(ctx, "j", client.Cancel{}); return err }},
		"Submit": {"SubmitJob", waits, func(ctx context.Context, r *rig) error {
			signed, err := r.Sign(uptime(), mustResolve(r.t, r))
			must(r.t, err)
			_, err = r.Submit(ctx, signed)
			return err
		}},
		"Run": {"SubmitJob", waits, func(ctx context.Context, r *rig) error { _, err := r.Run(ctx, uptime()); return err }},
	}
}

func TestWhatMayBeRepeatedIsRepeatedForAsLongAsIsPromised(t *testing.T) {
	for name, p := range promises() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				t := r.t
				r.away(p.rpc)
				began := time.Now()
				wantError(t, p.do(t.Context(), r), client.Unavailable, "no scheduler owns")
				if took := time.Since(began); took > p.atMost || took < p.atMost-2100*time.Millisecond {
					t.Errorf("it was given up after %s, and %s are promised", took, p.atMost)
				}
				if n := r.access.called(p.rpc); n < 5 {
					t.Errorf("it was tried %d times", n)
				}
			})
		})
	}
}

func TestNoRefusalIsRepeated(t *testing.T) {
	for name, p := range promises() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				t := r.t
				r.access.watch = func(int, *accessv1.WatchJobRequest, func(*accessv1.WatchJobResponse) error) error { return nil }
				r.refuses(p.rpc, codes.PermissionDenied, "you may not")
				wantError(t, p.do(t.Context(), r), client.Denied, "you may not")
				if n := r.access.called(p.rpc); n != 1 {
					t.Errorf("it was tried %d times", n)
				}
			})
		})
	}
}

func TestTheCallersTimeEndsEveryMethod(t *testing.T) {
	for name, p := range promises() {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				t := r.t
				r.away(p.rpc)
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				began := time.Now()
				wantError(t, p.do(ctx, r), client.Canceled, "")
				if took := time.Since(began); took != 1500*time.Millisecond {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
