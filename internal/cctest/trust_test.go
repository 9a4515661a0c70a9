package cctest_test

import (
	"crypto/ed25519"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ccs-project/ccs/internal/cctest"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// resign is a capsule that says something else, signed by somebody else: the
// most that whoever has the store can make of it.
func resign(t *testing.T, text []byte, key ed25519.PrivateKey) []byte {
	t.Helper()
	envelope, err := capsule.ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := capsule.Open(envelope)
	if err != nil {
		t.Fatal(err)
	}
	payload.Command.Argv = []string{"rm", "-rf", "/"}
	signed, err := capsule.Sign(payload, key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := signed.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// underOldSignature is a capsule that says something else under the signature
// that it had.
func underOldSignature(t *testing.T, text []byte, key ed25519.PrivateKey) []byte {
	t.Helper()
	was, err := capsule.ParseEnvelope(text)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := capsule.ParseEnvelope(resign(t, text, key))
	if err != nil {
		t.Fatal(err)
	}
	forged.Signatures = was.Signatures
	out, err := forged.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAHostRefusesACapsuleThatTheStoreHasForged(t *testing.T) {
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(*testing.T, []byte, ed25519.PrivateKey) []byte{
		"signed by a stranger":    resign,
		"under the old signature": underOldSignature,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cctest.Start(t, cctest.Shape{Away: []string{"h1", "h2", "h3", "h4"}})
				c.Detached(c.Hosts()...)
				job := c.Run(everywhere(uptime()))
				c.Crash("scheduler-standard-1", "scheduler-standard-2")
				c.Tamper(func(r *store.Record) { r.Capsule = forge(t, r.Capsule, stranger) })
				c.Restart("scheduler-standard-1", "scheduler-standard-2")
				for _, h := range c.Hosts() {
					c.Host(h).Back()
				}
				wantOutcomes(t, c, c.Settles(job), all(c.Hosts(), "REFUSED signature"))
				for _, h := range c.Hosts() {
					if n := c.Host(h).Starts(); n != 0 {
						t.Errorf("%s started what nobody had signed", h)
					}
				}
			})
		})
	}
}

func TestAJobOfAUserWhomTheOperatorDoesNotKnowIsStartedNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		s := c.Forge(c.Hosts(), "true")
		_, s.Key, _ = ed25519.GenerateKey(nil)
		answer, refused := c.Submit(s)
		if refused.Code() == codes.OK {
			wantOutcomes(t, c, c.Settles(c.Job(answer.GetJob().GetId())), all(c.Hosts(), "REFUSED signature"))
		} else if refused.Code() != codes.PermissionDenied {
			t.Errorf("it was refused with %v", refused)
		}
		for _, h := range c.Hosts() {
			if n := c.Host(h).Starts(); n != 0 {
				t.Errorf("%s started it", h)
			}
		}
	})
}

func TestEveryResultIsSignedByItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h2").Behaves(cctest.Doing{ExitCode: 3, Takes: time.Second, Stdout: []byte("out"), Stderr: []byte("err")})
		job := c.Settles(c.Run(everywhere(uptime())))
		ping := c.Settles(c.Run(client.Request{All: true, Command: client.Command{Ping: true}}))
		for _, j := range []client.Job{job, ping} {
			for _, task := range c.Tasks(j) {
				result, key := c.Signed(j, task)
				if err := capsule.VerifyResult(result, task.Signature, key); err != nil {
					t.Errorf("the result of %s in job %s: %v", task.Host, j.ID, err)
				}
				result.Report.Exit.Code++
				if capsule.VerifyResult(result, task.Signature, key) == nil {
					t.Errorf("the signature of %s holds for another result", task.Host)
				}
			}
		}
	})
}

func TestAWipedHostIsNoLongerTheTargetOfWhatWasNotReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{Away: []string{"h1"}})
		c.Detached("h1")
		job := c.Run(everywhere(uptime()))
		c.Task(job, "h4", "SUCCEEDED")
		c.Task(job, "h1", "PENDING")
		c.Host("h1").Wipe()
		c.Host("h1").Back()
		want := all(c.Hosts(), "SUCCEEDED")
		want["h1"] = "SKIPPED new_incarnation"
		wantOutcomes(t, c, c.Settles(job), want)
		c.Attached("h1")
		wantOutcomes(t, c, c.Settles(c.Run(uptime("h1"))), all([]string{"h1"}, "SUCCEEDED"))
	})
}

func TestWhatAWipedHostHadStartedIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cctest.Start(t, cctest.Shape{})
		c.Host("h1").Behaves(cctest.Doing{Takes: time.Hour})
		job := c.Run(uptime("h1"))
		c.Task(job, "h1", "RUNNING")
		c.Host("h1").Wipe()
		wantOutcomes(t, c, c.Settles(job), all([]string{"h1"}, "LOST state_wiped"))
		c.Host("h1").Behaves(cctest.Doing{})
		c.Attached("h1")
		wantOutcomes(t, c, c.Settles(c.Run(uptime("h1"))), all([]string{"h1"}, "SUCCEEDED"))
	})
}
