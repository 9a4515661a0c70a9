package summary_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/summary"
)

var now = time.Unix(1_000_000, 0).UTC()

func ago(d time.Duration) time.Time { return now.Add(-d) }

func view(state task.State, why task.Reason) job.View {
	return job.View{Released: true, Report: task.Report{Attempt: 1, State: state, Exit: task.Exit{Reason: why}}}
}

func ran(d time.Duration) job.Detail {
	return job.Detail{StartedAt: ago(time.Hour), EndedAt: ago(time.Hour).Add(d)}
}

func ordinals(tasks []summary.Task) (out []uint32) {
	for _, t := range tasks {
		out = append(out, t.Ordinal)
	}
	return out
}

func TestTheSlowestAreThoseThatRanLongestOrRunLongestSoFar(t *testing.T) {
	s := summary.New(20, now)
	for o := range uint32(15) {
		s.Add(o, view(task.Succeeded, task.NoReason), ran(time.Duration(o)*time.Second))
	}
	runs := view(task.Running, task.NoReason)
	runs.Since = ago(12500 * time.Millisecond)
	s.Add(15, runs, job.Detail{})
	runs.Since = time.Time{}
	s.Add(16, runs, job.Detail{}) // since when is not known
	s.Add(17, view(task.Accepted, task.NoReason), job.Detail{})
	s.Add(18, view(task.Skipped, task.Aborted), job.Detail{})
	if got := fmt.Sprint(ordinals(s.Slowest())); got != "[14 13 15 12 11 10 9 8 7 6]" {
		t.Errorf("the slowest are %s", got)
	}
}

// Rules: summary
func TestTheSilentAreThoseOfWhichNothingIsHeard(t *testing.T) {
	for what, x := range map[string]struct {
		view job.View
		is   bool
	}{
		"never released, on a host that is away":   {job.View{Report: task.Report{Attempt: 1, State: task.Pending}, Unreachable: true, UnreachableSince: ago(time.Second)}, true},
		"never released, on a host that is here":   {job.View{Report: task.Report{Attempt: 1, State: task.Pending}}, false},
		"skipped, on a host that is away":          {job.View{Report: task.Report{Attempt: 1, State: task.Skipped}, Unreachable: true, UnreachableSince: ago(time.Second)}, false},
		"never released, and not known since when": {job.View{Report: task.Report{Attempt: 1, State: task.Pending}, Unreachable: true}, false},
		"released just now":                        {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Dispatched}, Since: ago(time.Second)}, false},
		"released long ago":                        {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Dispatched}, Since: ago(summary.QuietFor)}, true},
		"released by another owner":                {view(task.Dispatched, task.NoReason), true},
		"runs":                                     {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Running}, Since: ago(time.Hour)}, false},
		"runs on a host that is away":              {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Running}, Unreachable: true}, true},
		"given up, never heard of":                 {view(task.Unknown, task.Silent), true},
		"given up, and runs":                       {view(task.Unknown, task.StillRunning), false},
		"given up, on a host away":                 {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Unknown, Exit: task.Exit{Reason: task.StillRunning}}, Unreachable: true}, true},
		"ended on a host that is away":             {job.View{Released: true, Report: task.Report{Attempt: 1, State: task.Succeeded}, Unreachable: true}, false},
	} {
		s := summary.New(1, now)
		s.Add(0, x.view, job.Detail{})
		if some, all := s.Silent(); (len(some) == 1) != x.is || all != len(some) {
			t.Errorf("%s: silent %v, %d in all", what, ordinals(some), all)
		}
	}
}

func TestTheLongestSilentComeFirstAndAllAreCounted(t *testing.T) {
	s := summary.New(30, now)
	for o := range uint32(25) {
		v := view(task.Running, task.NoReason)
		v.Unreachable, v.UnreachableSince = true, ago(time.Duration(o)*time.Minute)
		if o == 3 {
			v.UnreachableSince = time.Time{} // longer than this owner knows
		}
		s.Add(o, v, job.Detail{})
	}
	some, all := s.Silent()
	if got := fmt.Sprint(ordinals(some)); got != "[3 24 23 22 21 20 19 18 17 16]" || all != 25 {
		t.Errorf("silent are %s, %d in all", got, all)
	}
}

func TestEqualResultsAreOneGroup(t *testing.T) {
	stdout := job.OutputRef{Stream: job.Stdout, Digest: [32]byte{1}, Size: 3}
	stderr := job.OutputRef{Stream: job.Stderr, Digest: [32]byte{2}, Size: 4}
	swapped := job.OutputRef{Stream: job.Stderr, Digest: [32]byte{1}, Size: 3}
	base := task.Report{Attempt: 1, State: task.Failed, Exit: task.Exit{Code: 3}}
	other := func(change func(*task.Report)) task.Report {
		r := base
		change(&r)
		return r
	}
	for what, x := range map[string]struct {
		report  task.Report
		outputs []job.OutputRef
		same    bool
	}{
		"the same":             {base, []job.OutputRef{stdout, stderr}, true},
		"outputs turned round": {base, []job.OutputRef{stderr, stdout}, true},
		"at another attempt":   {other(func(r *task.Report) { r.Attempt = 2 }), []job.OutputRef{stdout, stderr}, true},
		"another exit status":  {other(func(r *task.Report) { r.Exit.Code = 4 }), []job.OutputRef{stdout, stderr}, false},
		"by a signal":          {other(func(r *task.Report) { r.Exit.Reason, r.Exit.Signal = task.Signaled, 9 }), []job.OutputRef{stdout, stderr}, false},
		"another state":        {other(func(r *task.Report) { r.State = task.TimedOut }), []job.OutputRef{stdout, stderr}, false},
		"no stderr":            {base, []job.OutputRef{stdout}, false},
		"to the other stream":  {base, []job.OutputRef{swapped, stderr}, false},
		"more was cut":         {base, []job.OutputRef{{Stream: job.Stdout, Digest: [32]byte{1}, Size: 3, Cut: 1}, stderr}, false},
	} {
		s := summary.New(2, now)
		s.Add(0, job.View{Released: true, Report: base}, job.Detail{Outputs: []job.OutputRef{stdout, stderr}})
		s.Add(1, job.View{Released: true, Report: x.report}, job.Detail{Outputs: x.outputs})
		groups, all := s.Groups()
		if (all == 1) != x.same || groups[0].Has(x.report, job.Detail{Outputs: x.outputs}) != x.same {
			t.Errorf("%s: %d groups", what, all)
		}
	}
}

// TestASummaryIsWhatSortingEverythingGives holds it against the dumb way.
//
// Rules: summary
func TestASummaryIsWhatSortingEverythingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "targets")
		kinds := rapid.IntRange(1, 120).Draw(t, "kinds")
		s := summary.New(n, now)
		type dumb struct {
			ordinal uint32
			took    time.Duration
			code    int32
		}
		var tasks []dumb
		by := map[int32][]uint32{}
		for o := range uint32(n) {
			d := dumb{o, time.Duration(rapid.IntRange(0, 50).Draw(t, "took")) * time.Second, int32(rapid.IntRange(1, kinds).Draw(t, "code"))}
			tasks = append(tasks, d)
			by[d.code] = append(by[d.code], o)
			v := view(task.Failed, task.NoReason)
			v.Report.Exit.Code = d.code
			s.Add(o, v, ran(d.took))
		}
		slices.SortStableFunc(tasks, func(a, b dumb) int { return cmp.Compare(b.took, a.took) })
		tasks = slices.DeleteFunc(tasks, func(d dumb) bool { return d.took == 0 })
		var want []uint32
		for _, d := range tasks[:min(len(tasks), summary.Most)] {
			want = append(want, d.ordinal)
		}
		if got := ordinals(s.Slowest()); !slices.Equal(got, want) {
			t.Fatalf("the slowest are %v, want %v", got, want)
		}
		groups, all := s.Groups()
		if all != len(by) || len(groups) != min(all, summary.MostGroups) {
			t.Fatalf("%d groups of %d, want %d", len(groups), all, len(by))
		}
		for i, g := range groups {
			if i > 0 && g.Count > groups[i-1].Count {
				t.Fatalf("group %d is larger than the one before", i)
			}
			for code, of := range by {
				if of[0] == g.Ordinals[0] && (g.Count != len(of) || !slices.Equal(g.Ordinals, of[:min(len(of), summary.MostHosts)])) {
					t.Fatalf("the group of %d is %v of %d, want %v", code, g.Ordinals, g.Count, of)
				}
			}
		}
	})
}
