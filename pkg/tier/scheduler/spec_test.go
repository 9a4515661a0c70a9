package scheduler

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestACommandIsShownInOneLineWithoutItsScript(t *testing.T) {
	for _, c := range []struct {
		command capsule.Command
		want    string
	}{
		{capsule.Command{Kind: capsule.Ping}, "ping"},
		{capsule.Command{Kind: capsule.Argv, Argv: []string{"sh", "-c", "hostname; uptime"}}, "sh -c 'hostname; uptime'"},
		{capsule.Command{Kind: capsule.Argv, Argv: []string{"echo", "", "it's", "a\nb", "维护"}}, `echo '' 'it'\''s' "a\nb" 维护`},
		{capsule.Command{Kind: capsule.Script, Interpreter: []string{"/bin/sh", "-eu"}, Script: []byte("secret")}, "/bin/sh -eu (script of 6 bytes)"},
	} {
		if got := commandLine(c.command); got != c.want {
			t.Errorf("%v is shown as %s, want %s", c.command.Kind, got, c.want)
		}
	}
	long := commandLine(capsule.Command{Kind: capsule.Argv, Argv: []string{strings.Repeat("维", 100_000)}})
	if n := utf8.RuneCountInString(long); n != maxCommandLine || !strings.HasSuffix(long, "…") {
		t.Errorf("a long command is shown with %d characters", n)
	}
}

func TestTheDigestOfABodyCoversAllOfIt(t *testing.T) {
	full := job.Rollout{
		Concurrency: job.Amount{Count: 3}, Batches: []job.Amount{{Percent: 5}}, PauseAfter: []uint32{7},
		MaxFailures: job.Budget{Limited: true, Percent: 1}, FailureAction: job.AbortOnFailure, WaitOffline: time.Second, Deadline: time.Unix(9, 0),
	}
	seen := map[[32]byte]string{}
	note := func(name string, digest [32]byte) {
		t.Helper()
		if other, twice := seen[digest]; twice {
			t.Errorf("%s has the digest of %s", name, other)
		}
		seen[digest] = name
	}
	note("the body", bodyDigest([]byte("payload"), full))
	note("another payload", bodyDigest([]byte("payloae"), full))
	note("no rollout", bodyDigest([]byte("payload"), job.Rollout{}))
	for name, change := range map[string]func(*job.Rollout){
		"concurrency":    func(r *job.Rollout) { r.Concurrency = job.Amount{Percent: 3} },
		"batches":        func(r *job.Rollout) { r.Batches = []job.Amount{{Count: 5}} },
		"more batches":   func(r *job.Rollout) { r.Batches = []job.Amount{{Percent: 5}, {}} },
		"pause points":   func(r *job.Rollout) { r.PauseAfter = []uint32{8} },
		"failure budget": func(r *job.Rollout) { r.MaxFailures = job.Budget{} },
		"a stricter one": func(r *job.Rollout) { r.MaxFailures = job.Budget{Limited: true} },
		"order":          func(r *job.Rollout) { r.Order = job.SpreadRooms },
		"batch pauses":   func(r *job.Rollout) { r.PauseBatches = []uint32{1} },
		"tolerated":      func(r *job.Rollout) { r.Tolerated = []task.State{task.Failed} },
		"failure action": func(r *job.Rollout) { r.FailureAction = job.PauseOnFailure },
		"wait offline":   func(r *job.Rollout) { r.WaitOffline = 0 },
		"deadline":       func(r *job.Rollout) { r.Deadline = time.Unix(9, 1) },
	} {
		r := full
		change(&r)
		note(name, bodyDigest([]byte("payload"), r))
	}
	same := full
	if bodyDigest([]byte("payload"), full) != bodyDigest([]byte("payload"), same) {
		t.Error("the same body has two digests")
	}
}

func TestAnIDIsKeptAsLongAsItCouldBeSubmittedAgain(t *testing.T) {
	id := job.NewID(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), [10]byte{})
	early := keepUntil(job.Spec{ID: id, StartBy: id.Time().Add(time.Hour)})
	late := keepUntil(job.Spec{ID: id, StartBy: id.Time().Add(48 * time.Hour)})
	if early.Sub(id.Time()) != 24*time.Hour+capsule.ClockSkew || late.Sub(id.Time()) != 48*time.Hour+capsule.ClockSkew {
		t.Errorf("it is kept until %s and %s", early, late)
	}
}

func TestAFaultyConfigurationSaysEveryFault(t *testing.T) {
	err := Config{Advertise: "nowhere", Shards: 5000, Trace: TraceConfig{Tasks: 1001}}.Validate()
	for _, key := range []string{"pool", "shards", "advertise", "drain_budget", "resolution_max_age", "answer_budget", "submit_budget", "trace.tasks"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in:\n%v", key, err)
		}
	}
	good := DefaultConfig()
	good.Pool = "standard"
	if err := good.Validate(); err != nil {
		t.Errorf("the defaults have faults: %v", err)
	}
}

func TestASchedulerIsWhoItsCertificateSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		deps := Deps{Log: r.log, Identity: r.source(identity.Scheduler, "s1"), Coord: r.hub, Store: r.store}
		cfg := config()
		s, err := New(cfg, deps)
		if err != nil || s.cfg.Name != "s1" {
			t.Errorf("without a name: %v", err)
		}
		cfg.Name = "s2"
		if _, err := New(cfg, deps); err == nil || !strings.Contains(err.Error(), "scheduler/s1") {
			t.Errorf("under another name: %v", err)
		}
		deps.Identity = r.source(identity.Access, "s2")
		if _, err := New(cfg, deps); err == nil || !strings.Contains(err.Error(), "access/s2") {
			t.Errorf("with the certificate of an access: %v", err)
		}
	})
}
