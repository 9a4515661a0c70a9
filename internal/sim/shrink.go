package sim

import (
	"strings"
	"time"
)

// Bounds of how often a failing world is run again to make it smaller.
const (
	mostTries  = 500
	neighbours = 150 // seeds
)

// Shrink makes a failing world smaller as long as it breaks the same promise:
// it leaves out kinds of faults, jobs and hosts, and lets the faults stop
// earlier. A small world of another seed will do, too. The result has the
// transcript.
func Shrink(r Result) Result {
	best, tries := r, 0
	smaller := func(o Options) bool {
		if tries >= mostTries {
			return false
		}
		tries++
		o.Script = false
		got := Run(o)
		if got.Broken == nil || got.Broken.Promise != r.Broken.Promise {
			return false
		}
		best = got
		return true
	}
	for n := range uint64(neighbours) {
		o := r.Options
		if o.Seed, o.Hosts, o.Skip = r.Options.Seed+n, 2, 1<<4-2; smaller(o) {
			break
		}
	}
	for found := true; found; {
		found = false
		for i := range faultNames {
			o := best.Options
			if kind := Fault(1) << i; best.Faults&kind != 0 && o.Without&kind == 0 {
				o.Without |= kind
				found = smaller(o) || found
			}
		}
		for n := range 4 {
			o := best.Options
			if o.Skip |= 1 << n; o != best.Options {
				found = smaller(o) || found
			}
		}
		o := best.Options
		if o.Hosts = fewer(o.Hosts); o != best.Options {
			found = smaller(o) || found
		}
		o = best.Options
		if o.Calm = earlier(o.Calm); o != best.Options {
			found = smaller(o) || found
		}
	}
	o := best.Options
	o.Script = true
	return Run(o)
}

func fewer(hosts int) int {
	if hosts == 0 {
		return 6
	}
	return max(1, hosts-1)
}

func earlier(d time.Duration) time.Duration {
	if d == 0 {
		return 240 * time.Second
	}
	return max(10*time.Second, (d * 4 / 5).Truncate(time.Second))
}

// Transcript is a failing run for a person: what happened, what broke, and how to
// see it again.
func (r Result) Transcript() string {
	var b strings.Builder
	b.WriteString("faults: " + r.Faults.String() + "\n")
	for _, line := range r.Script {
		b.WriteString(line + "\n")
	}
	if r.Broken != nil {
		b.WriteString(r.Broken.String() + "\n")
	}
	b.WriteString("again: go test ./internal/sim -count=1 -v -run TestEverySeedKeepsThePromises -args " + r.Options.String() + "\n")
	return b.String()
}
