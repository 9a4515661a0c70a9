package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Transcript is a failing run for a person: what happened, what broke, and how to
// see it again. Of a run that broke a promise it is what led there: see causes.
func (r Result) Transcript() string {
	var b strings.Builder
	b.WriteString("faults: " + r.Faults.String() + "\n")
	lines := r.causes()
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	if left := len(r.Script) - len(lines); left > 0 {
		_, _ = fmt.Fprintf(&b, "%d lines about others are left out; -whole prints them\n", left) // a Builder never fails
	}
	if r.Broken != nil {
		b.WriteString(r.Broken.String() + "\n")
	}
	b.WriteString("again: go test ./internal/sim -count=1 -v -run TestEverySeedKeepsThePromises -args " + r.Options.String() + "\n")
	return b.String()
}

// Words of the transcript.
var (
	hostWord  = regexp.MustCompile(`\bh\d\b`)
	jobWord   = regexp.MustCompile(`\bjob \d\b`)
	shardWord = regexp.MustCompile(`\bshard \d\b`)
	routine   = regexp.MustCompile(`hears from .* (DISPATCHED|ACCEPTED|STARTING|RUNNING)$|has accepted|with the spool of before`)
)

// causes is the lines about the jobs and hosts that the broken promise names, and
// about what serves them.
func (r Result) causes() []string {
	if r.Broken == nil || r.Options.Whole {
		return r.Script
	}
	jobs, hosts := r.related(jobWord.FindAllString(r.Broken.Text, -1)), hostWord.FindAllString(r.Broken.Text, -1)
	var shards []string
	for _, p := range r.plans {
		if slices.Contains(jobs, p.name) {
			shards = append(shards, fmt.Sprintf("shard %d", p.shard))
		}
	}
	var kept []string
	signed := len(jobs) == 0
	for _, line := range r.Script {
		mentioned := jobWord.FindAllString(line, -1)
		signed = signed || strings.Contains(line, "signs ") && overlap(mentioned, jobs)
		lasting := strings.Contains(line, "clock is set") || strings.Contains(line, "backed up") || strings.Contains(line, "lost its state") || strings.Contains(line, "cut off")
		if about(mentioned, jobs) && about(hostWord.FindAllString(line, -1), hosts) && about(shardWord.FindAllString(line, -1), shards) && (signed || lasting) {
			kept = append(kept, line)
		}
	}
	if len(kept) > enough {
		kept = slices.DeleteFunc(kept, routine.MatchString)
	}
	return kept
}

// enough is how many lines a person reads.
const enough = 60

// related is jobs with those that they retry.
func (r Result) related(jobs []string) []string {
	for _, p := range r.plans {
		if p.parent != nil && slices.Contains(jobs, p.name) && r.Broken.Promise == ParentIsOver {
			jobs = append(jobs, p.parent.name)
		}
	}
	return jobs
}

// about reports whether a line that mentions some is about what is looked for:
// one that mentions none is about all.
func about(mentioned, wanted []string) bool {
	return len(mentioned) == 0 || len(wanted) == 0 || overlap(mentioned, wanted)
}

func overlap(some, of []string) bool {
	return slices.ContainsFunc(some, func(s string) bool { return slices.Contains(of, s) })
}
