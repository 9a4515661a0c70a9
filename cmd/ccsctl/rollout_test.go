package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestTheRolloutReachesTheServersAsItWasTyped(t *testing.T) {
	transcript(t, "rollout-options", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--detach", "--concurrency", "3", "--batch", "1,2,50%", "--spread", "--pause-after", "1,3", "--pause-after-batch", "2",
			"--max-failures", "10%", "--on-failure", "abort", "--tolerate", "expired,Unknown,failed", "--wait-offline", "1m",
			"--recovery", "rerun", "--attempts", "3", "--rerun-until", "2h", "--", "uptime")
		got := wire.RolloutFromProto(r.access.jobs[0].job.GetRollout())
		if got.Concurrency.Count != 3 || !slices.Equal(got.Batches, []job.Amount{{Count: 1}, {Count: 2}, {Percent: 50}}) || got.Order != job.SpreadRooms ||
			!slices.Equal(got.PauseAfter, []uint32{1, 3}) || !slices.Equal(got.PauseBatches, []uint32{2}) ||
			got.MaxFailures != (job.Budget{Limited: true, Percent: 10}) || got.FailureAction != job.AbortOnFailure ||
			!slices.Equal(got.Tolerated, []task.State{task.Expired, task.Unknown, task.Failed}) || got.WaitOffline != time.Minute {
			t.Errorf("the servers got %+v", got)
		}
		p := r.access.jobs[0].payload
		if p.Command.Recovery != capsule.RecoveryRerun || p.Command.MaxAttempts != 3 || p.RerunUntil.Sub(p.NotBefore) != 2*time.Hour+time.Minute {
			t.Errorf("signed was %+v", p)
		}
		r.run(ctx, "run", "--all", "--detach", "--max-failures", "0", "--", "uptime")
		if got := wire.RolloutFromProto(r.access.jobs[1].job.GetRollout()).MaxFailures; got != (job.Budget{Limited: true}) {
			t.Errorf("a budget of none became %+v", got)
		}
		r.run(ctx, "run", "--all", "--detach", "--recovery", "rerun", "--", "uptime")
		if got := r.access.jobs[2].payload.Command.MaxAttempts; got != 2 {
			t.Errorf("%d attempts", got)
		}
		r.run(ctx, "ping", "--all", "--detach", "--batch", "4", "--pause-after-batch", "1")
	})
}

func TestThePlanIsPartOfWhatIsConfirmed(t *testing.T) {
	transcript(t, "rollout-confirm", func(ctx context.Context, r *rig) {
		r.access.rows, r.access.outcome = manyHosts, succeeded
		r.says = []string{"no"}
		r.run(ctx, "run", "--all", "--batch", "1,10,25", "--pause-after-batch", "1", "--max-failures", "2%", "--", "reboot")
		r.says = []string{"yes"}
		r.run(ctx, "run", "--all", "--batch", "1,10,25", "--pause-after-batch", "1", "--max-failures", "2%", "--detach", "--", "reboot")
		if len(r.access.jobs) != 1 {
			t.Errorf("%d jobs were made", len(r.access.jobs))
		}
	})
}

// staged is a job of three batches that pauses twice.
var staged = []string{"--batch", "1,2,5", "--pause-after", "1", "--pause-after-batch", "2"}

// stage runs it to its first pause.
func (r *rig) stage(ctx context.Context, more ...string) int {
	r.t.Helper()
	return r.run(ctx, slices.Concat([]string{"run", "--all", "--detach-on-pause"}, staged, more, []string{"--", "reboot"})...)
}

func TestAPausedJobIsShownAndResumedInAllWays(t *testing.T) {
	transcript(t, "rollout-resume", func(ctx context.Context, r *rig) {
		if status := r.stage(ctx); status != exitUnknown {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "job", "get", "JOB", "-o", "json")
		r.run(ctx, "job", "list")
		r.run(ctx, "job", "list", "-o", "wide")
		r.run(ctx, "job", "resume", "JOB", "--expect-revision", "2")
		r.run(ctx, "job", "watch", "JOB", "--detach-on-pause")
		r.run(ctx, "job", "resume", "JOB", "--by", "1")
		r.run(ctx, "job", "watch", "JOB", "--detach-on-pause", "-o", "json")
		r.run(ctx, "job", "resume", "JOB", "--to-end", "-o", "yaml")
		if status := r.run(ctx, "job", "watch", "JOB"); status != exitOK {
			t.Errorf("exit status %d", status)
		}
	})
}

func TestWhatCannotBeResumedIsSaid(t *testing.T) {
	transcript(t, "rollout-refused", func(ctx context.Context, r *rig) {
		r.stage(ctx)
		for _, args := range [][]string{
			{"job", "resume", "JOB", "--expect-revision", "1"},
			{"job", "resume", "JOB", "--by", "1", "--request-id", strings.Repeat("A", 26)},
			{"job", "resume", "JOB", "--by", "1", "--request-id", strings.Repeat("A", 26)},
			{"job", "resume", "JOB", "--by", "2", "--request-id", strings.Repeat("A", 26)},
			{"job", "resume", "JOB"},
			{"job", "pause", "JOB", "--expect-revision", "9"},
			{"job", "pause", "nothing"},
			{"job", "resume", "nothing"},
			{"job", "summary", "nothing"},
			{"job", "retry", "nothing", "--", "uptime"},
			{"job", "retry", "JOB", "--", "uptime"},
		} {
			r.run(ctx, args...)
		}
		if released := r.access.jobs[0].job.GetReleased(); released != 2 {
			t.Errorf("%d hosts were released", released)
		}
	})
}

func TestARequestOfWhichNothingIsKnownCanBeSaidAgain(t *testing.T) {
	transcript(t, "rollout-unknown", func(ctx context.Context, r *rig) {
		r.stage(ctx)
		for method, args := range map[string][]string{"ResumeJob": {"job", "resume", "JOB", "--by", "3"}} {
			r.access.fail = only(method, 14)
			if status := r.run(ctx, args...); status != exitUnknown {
				t.Errorf("exit status %d", status)
			}
		}
		r.access.fail = func(called string) error {
			if called == "PauseJob" || called == "CancelJob" {
				r.interrupt()
				wait(time.Second)
			}
			return nil
		}
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "job", "cancel", "JOB", "--keep-running")
		wait(2 * time.Second)
		r.access.fail = nil
		r.run(ctx, "job", "get", "JOB")
	})
}

func TestAPauseThatIsWatchedSaysWhyAndWaits(t *testing.T) {
	for name, width := range map[string]int{"rollout-wait": 0, "rollout-live": 100} {
		transcript(t, name, func(ctx context.Context, r *rig) {
			r.width = width
			r.access.outcome = func(host string) outcome {
				if host == "h2" || host == "h3" {
					return outcome{state: task.Failed, code: 7}
				}
				return outcome{state: task.Succeeded}
			}
			resume := func(until typesv1.ResumeUntil, n uint32) func() {
				return func() {
					_, err := r.access.ResumeJob(ctx, &accessv1.ResumeJobRequest{
						JobId: r.access.jobs[0].job.GetId(), RequestId: "request " + sprint(time.Now().Unix()), Until: until, Targets: n,
					})
					must(t, err)
				}
			}
			const between = 350 * time.Millisecond // two things that happen in the job
			time.AfterFunc(time.Minute+between, resume(typesv1.ResumeUntil_RESUME_UNTIL_NEXT, 0))
			time.AfterFunc(2*time.Minute+between, resume(typesv1.ResumeUntil_RESUME_UNTIL_NUMBER, 2))
			time.AfterFunc(3*time.Minute+between, resume(typesv1.ResumeUntil_RESUME_UNTIL_END, 0))
			args := slices.Concat([]string{"run", "--all", "--max-failures", "1"}, staged, []string{"--", "reboot"})
			if status := r.run(ctx, args...); status != exitSome {
				t.Errorf("exit status %d", status)
			}
		})
	}
}

func TestWhoeverLeavesAPausedJobIsToldSo(t *testing.T) {
	transcript(t, "rollout-left", func(ctx context.Context, r *rig) {
		time.AfterFunc(time.Minute, func() { r.interrupt() })
		args := slices.Concat([]string{"run", "--all"}, staged, []string{"--", "reboot"})
		if status := r.run(ctx, args...); status != exitUnknown {
			t.Errorf("exit status %d", status)
		}
		r.run(ctx, "job", "cancel", "JOB")
		r.run(ctx, "job", "watch", "JOB")
	})
}

func TestABudgetThatIsSpentPausesAndIsForgiven(t *testing.T) {
	transcript(t, "rollout-budget", func(ctx context.Context, r *rig) {
		r.access.outcome = func(string) outcome { return outcome{state: task.Failed, code: 1} }
		r.run(ctx, "run", "--all", "--max-failures", "1", "--detach-on-pause", "--", "reboot")
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "job", "resume", "JOB")
		r.run(ctx, "job", "watch", "JOB", "--detach-on-pause")
		if bad := r.access.jobs[0].job.GetReleased(); bad != 4 {
			t.Errorf("%d hosts were released", bad)
		}
	})
}

func TestAUserPausesWhatRuns(t *testing.T) {
	transcript(t, "rollout-pause", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--batch", "2", "--detach", "--", "reboot")
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "job", "get", "JOB", "-o", "yaml")
		r.run(ctx, "task", "list", "JOB", "--state", "running")
		r.run(ctx, "job", "resume", "JOB")
		r.run(ctx, "job", "cancel", "JOB")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "job", "cancel", "JOB")
		r.run(ctx, "run", "--all", "--detach", "--", "reboot")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "job", "cancel", "JOB")
	})
}

func TestAJobIsSummarized(t *testing.T) {
	transcript(t, "summary", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--detach", "--", "uptime")
		wait(time.Minute)
		r.run(ctx, "job", "summary", "JOB")
		r.run(ctx, "job", "watch", "JOB")
		r.run(ctx, "job", "summary", "JOB")
		r.run(ctx, "run", "--hosts", "h3,h5", "--detach", "--", "uptime")
		r.run(ctx, "job", "summary", "JOB", "-o", "json")
		r.stage(ctx)
		r.run(ctx, "job", "summary", "JOB")
	})
}

func TestAJobIsRetriedWhereItDidNotSucceed(t *testing.T) {
	transcript(t, "retry", func(ctx context.Context, r *rig) {
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--class", "critical", "--account", "ops", "--", "systemctl", "restart", "nginx")
		parent := r.last
		r.access.outcome = succeeded
		if status := r.run(ctx, "job", "retry", parent, "--", "systemctl", "restart", "nginx"); status != exitOK {
			t.Errorf("exit status %d", status)
		}
		p := r.access.jobs[1].payload
		if p.Parent.String() != parent || p.Class != "critical" || p.Account != "ops" || p.Count != 3 || p.Command.Argv[0] != "systemctl" {
			t.Errorf("signed was %+v", p)
		}
		r.run(ctx, "job", "get", "JOB")
		r.stdin = "date\n"
		r.run(ctx, "job", "retry", parent, "--outcome", "unknown,FAILED", "--class", "standard", "--account", "dev", "--batch", "1", "--detach", "-f", "-")
		if p := r.access.jobs[2].payload; p.Class != "standard" || p.Account != "dev" || p.Count != 3 || string(p.Command.Script) != "date\n" {
			t.Errorf("signed was %+v", p)
		}
		r.run(ctx, "job", "retry", parent, "--outcome", "canceled", "--", "uptime")
		r.says = []string{"yes"}
		r.run(ctx, "job", "retry", parent, "--confirm-above", "0", "--max-failures", "0", "--detach", "--", "uptime")
	})
}
