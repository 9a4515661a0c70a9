package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// listen takes connections and says the same to each; nothing at all if it is
// empty, and the connection stays open then.
func listen(t *testing.T, says string) (address string) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	var taking sync.WaitGroup
	taking.Go(func() {
		var open []net.Conn
		for {
			conn, err := lis.Accept()
			if err != nil {
				break
			}
			open = append(open, conn)
			if says != "" {
				_, _ = conn.Write([]byte(says))
				_ = conn.Close()
			}
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = lis.Close(); taking.Wait() })
	return lis.Addr().String()
}

func TestWhoeverCannotBeReachedIsDescribedInWords(t *testing.T) {
	ca := newCA(t)
	ann, scheduler := issue(t, ca, identity.User, "ann"), issue(t, ca, identity.Scheduler, "s1")
	access := serve(t, issue(t, ca, identity.Access, "a1"))
	for name, c := range map[string]struct {
		own     identity.Files
		address string
		code    client.Code
		says    string
		atOnce  bool
	}{
		"access of another CA": {ann, serve(t, issue(t, newCA(t), identity.Access, "a1")), client.Untrusted, "the server is not trusted: spiffe://demo.ccs/access/a1 claims its certificate, but: x509: certificate signed by unknown authority", true},
		"not access":           {ann, serve(t, scheduler), client.Untrusted, "the server is not trusted: it is spiffe://demo.ccs/scheduler/s1; admitted here", true},
		"no user":              {scheduler, access, client.Denied, "the server does not accept the certificate that was shown to it", false}, // mostly at once; its word can be lost with the connection
		"silent":               {ann, listen(t, ""), client.Unavailable, "the server takes the connection and does not answer", false},
		"not TLS":              {ann, listen(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), client.Unavailable, "what answers there does not speak TLS", false},
		"nobody":               {ann, "127.0.0.1:1", client.Unavailable, "dial tcp 127.0.0.1:1: connect: connection refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			sdk, err := client.New(config(c.own, c.address))
			must(t, err)
			defer func() { must(t, sdk.Close()) }()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			began := time.Now()
			_, err = sdk.Job(ctx, "j1")
			wantError(t, err, c.code, c.says)
			if took := time.Since(began); c.atOnce && took > 2*time.Second {
				t.Errorf("it was tried again, for %s", took)
			}
		})
	}
}

func TestACertificateThatIsRefusedAfterATryWasLostSaysNothingOfTheJob(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		refused := status.Error(codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: expired certificate"`)
		r.access.answers["SubmitJob"] = []error{unavailable(), refused}
		if _, err := r.Run(t.Context(), uptime()); err != nil { // the third try
			t.Error(err)
		}
		r.access.answers["SubmitJob"] = []error{refused}
		if _, err := r.Run(t.Context(), uptime()); client.CodeOf(err) != client.Denied {
			t.Errorf("nothing was lost before, and it is %v", err)
		}
	})
}

// A server that refuses a certificate closes the connection, and what it said of the
// certificate can be lost with what the client was just writing. Nothing was asked
// by then, so its word at the next try is the answer.
func TestACertificateThatIsRefusedWithoutAWordIsRefusedAtTheNextTry(t *testing.T) {
	for _, lost := range []string{"broken pipe", "connection reset by peer"} {
		inBubble(t, func(r *rig) {
			r.access.answers["SubmitJob"] = []error{
				status.Error(codes.Unavailable, "write tcp 127.0.0.1:40001->127.0.0.1:7400: write: "+lost),
				status.Error(codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: bad certificate"`),
			}
			if _, err := r.Run(r.t.Context(), uptime()); client.CodeOf(err) != client.Denied {
				r.t.Errorf("%s: it is %v", lost, err)
			}
			r.access.answers["SubmitJob"] = []error{
				status.Error(codes.Unavailable, "error reading from server: read tcp 127.0.0.1:40001->127.0.0.1:7400: read: "+lost),
				status.Error(codes.Unavailable, `connection error: desc = "error reading server preface: remote error: tls: bad certificate"`),
			}
			if _, err := r.Run(r.t.Context(), uptime()); err != nil { // the third try
				r.t.Errorf("%s of a connection that was in use: %v", lost, err)
			}
		})
	}
}

func TestWhatIsNotUTF8IsInvalidBeforeAnythingIsSent(t *testing.T) {
	const bad = "h\xff"
	inBubble(t, func(r *rig) {
		t := r.t
		ctx := t.Context()
		targets, err := r.Resolve(ctx, uptime())
		must(t, err)
		asked := len(r.access.calls)
		signed := func(change func(*client.Request)) error {
			request := uptime()
			change(&request)
			_, err := r.Sign(request, targets)
			return err
		}
		for what, call := range map[string]func() error{
			"Job":             func() error { _, err := r.Job(ctx, bad); return err },
			"Jobs":            func() error { _, err := collect(r.Jobs(ctx, client.JobFilter{Submitter: bad})); return err },
			"Tasks":           func() error { _, err := collect(r.Tasks(ctx, bad, client.TaskFilter{})); return err },
			"Tasks, host":     func() error { _, err := collect(r.Tasks(ctx, "j", client.TaskFilter{Host: bad})); return err },
			"Hosts":           func() error { _, err := collect(r.Hosts(ctx, bad)); return err },
			"Host":            func() error { _, err := r.Host(ctx, bad); return err },
			"Cancel":          func() error { _, err := r.Cancel(ctx, bad, client.Cancel{}); return err },
			"Explain":         func() error { _, err := r.Explain(ctx, "j", bad); return err },
			"Watch":           func() error { _, err := collect(r.Watch(ctx, bad, 0)); return err },
			"Results":         func() error { _, err := collect(r.Results(ctx, bad)); return err },
			"Output":          func() error { return r.Output(ctx, bad, client.OutputRef{Digest: "x"}, nil) },
			"Resolve":         func() error { _, err := r.Resolve(ctx, client.Request{Hosts: []string{"h1", bad}}); return err },
			"Resolve, labels": func() error { _, err := r.Resolve(ctx, client.Request{Selector: bad}); return err },
			"Sign, note":      func() error { return signed(func(q *client.Request) { q.Note = bad }) },
			"Sign, argv":      func() error { return signed(func(q *client.Request) { q.Command.Argv = []string{bad} }) },
			"Sign, env":       func() error { return signed(func(q *client.Request) { q.Command.Env = []string{"A=" + bad} }) },
			"Sign, account":   func() error { return signed(func(q *client.Request) { q.Account = bad }) },
			"Sign, run as":    func() error { return signed(func(q *client.Request) { q.Command.RunAs = bad }) },
			"Enrol":           func() error { return client.Enrol(ctx, client.Enrolment{User: bad}) },
			"Enrol, token":    func() error { return client.Enrol(ctx, client.Enrolment{User: "ann", Token: bad}) },
		} {
			if err := call(); client.CodeOf(err) != client.Invalid {
				t.Errorf("%s: code %s of %v", what, client.CodeOf(err), err)
			}
		}
		if len(r.access.calls) != asked {
			t.Errorf("the servers were asked: %v", r.access.calls)
		}
		_, err = r.Host(ctx, bad)
		wantError(t, err, client.Invalid, `host "h\xff" is not UTF-8`)
	})
}

func TestALongestDeadlineIsTheLongestThatThereIs(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		request := uptime()
		request.Deadline = 30*24*time.Hour + time.Second
		_, err := r.Run(t.Context(), request)
		wantError(t, err, client.Invalid, "is more than 720h0m0s (30 days), the longest that a job may take")
		wait(1234567 * time.Nanosecond)
		request.Deadline = job.MaxLife
		_, err = r.Run(t.Context(), request)
		must(t, err)
		header := r.access.submitted[0].header
		p, err := capsule.Open(wire.EnvelopeFromProto(header.GetCapsule()))
		must(t, err)
		if deadline := header.GetRollout().GetDeadline().AsTime(); deadline.Sub(p.JobID.Time()) > job.MaxLife {
			t.Errorf("the job of %s, which ends at %s, would be refused", p.JobID.Time(), deadline)
		}
	})
}

func TestClosingAgainDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := issue(t, newCA(t), identity.User, "ann")
		c, err := client.New(config(files, "127.0.0.1:1"))
		must(t, err)
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
}
