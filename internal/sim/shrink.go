package sim

import "time"

// Bounds of how often a failing world is run again to make it smaller.
const (
	mostTries  = 500
	neighbours = 200 // seeds
)

// Shrink makes a failing world smaller as long as it breaks the same promise: it
// leaves out kinds of faults, jobs and hosts, and lets the faults stop earlier. A
// world of another seed will do, too: of the smallest that it meets it takes the
// one that has the shortest transcript. The result has the transcript.
func Shrink(r Result) Result {
	s := shrinking{promise: r.Broken.Promise, bug: r.Options.Bug, best: r}
	s.near(r.Options)
	for s.reduced() {
	}
	o := s.best.Options
	o.Script = true
	return Run(o)
}

// shrinking is a search for something smaller.
type shrinking struct {
	promise Promise
	bug     string
	best    Result
	tries   int
}

// breaks runs a world and reports whether it breaks the promise.
func (s *shrinking) breaks(o Options) (Result, bool) {
	if s.tries >= mostTries {
		return Result{}, false
	}
	s.tries++
	o.Script = false
	got := Run(o)
	return got, got.Broken != nil && got.Broken.Promise == s.promise
}

// near looks among other seeds for worlds with one host or two and one job. The
// earlier it breaks, the less there is to read.
func (s *shrinking) near(o Options) {
	found, first := false, o.Seed
	for _, small := range []struct {
		hosts int
		jobs  uint
	}{{1, 1}, {2, 1}, {2, 2}} {
		for n := range uint64(neighbours) {
			o.Seed, o.Hosts, o.Skip = first+n, small.hosts, 1<<mostPlans-1<<small.jobs
			if got, ok := s.breaks(o); ok && (!found || got.Broken.Step < s.best.Broken.Step) {
				found, s.best = true, got
			}
			if found && n%16 == 15 {
				return
			}
		}
	}
}

// smaller takes a world if it breaks the promise, and not later.
func (s *shrinking) smaller(o Options) bool {
	if o == s.best.Options {
		return false
	}
	got, ok := s.breaks(o)
	if ok {
		s.best = got
	}
	return ok
}

// reduced tries every way to make the world smaller once.
func (s *shrinking) reduced() (found bool) {
	for i := range faultNames {
		o := s.best.Options
		if kind := Fault(1) << i; s.best.Faults&kind != 0 && o.Without&kind == 0 {
			o.Without |= kind
			found = s.smaller(o) || found
		}
	}
	for n := range mostPlans {
		o := s.best.Options
		o.Skip |= 1 << n
		found = s.smaller(o) || found
	}
	o := s.best.Options
	if o.Hosts--; o.Hosts < 0 {
		o.Hosts = 6
	}
	o.Hosts = max(1, o.Hosts)
	found = s.smaller(o) || found
	o = s.best.Options
	o.Calm = earlier(o.Calm)
	return s.smaller(o) || found
}

func earlier(d time.Duration) time.Duration {
	if d == 0 {
		return 240 * time.Second
	}
	return max(10*time.Second, (d * 4 / 5).Truncate(time.Second))
}
