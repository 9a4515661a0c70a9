package torture

import (
	"fmt"
	"strconv"
)

// rules are those of a rollout, held against the order in which commands began
// and ended.
type rules struct {
	w            *work
	limit        int // may have begun
	begun, ended int
	unknown      int // began, and may have ended without a word: the end-process was killed
	broken       []string
}

func newRules(w *work) *rules {
	r := &rules{w: w, limit: hosts}
	if len(w.points) > 0 {
		r.limit = w.points[0]
	}
	return r
}

// raise is what an operator has said before he let the job go on.
func (r *rules) raise(limit string) {
	n, err := strconv.Atoi(limit)
	if err != nil {
		r.fail("the operator has said %q", limit)
	}
	r.limit = max(r.limit, n)
}

func (r *rules) begin(unknown bool) {
	r.begun++
	if unknown {
		r.unknown++
	}
	atWork := r.begun - r.ended - r.unknown
	if most := r.most(); atWork > most {
		r.fail("%d are at work after %d have begun, and %d may be", atWork, r.begun, most)
	}
	if r.begun > r.limit {
		r.fail("%d have begun, and its pause point is at %d", r.begun, r.limit)
	}
	if before := r.before(); r.ended+r.unknown < before {
		r.fail("the command %d began when %d had ended, and %d are in the batches before its own", r.begun, r.ended, before)
	}
}

func (r *rules) end(unknown bool) {
	if !unknown { // else it is counted already
		r.ended++
	}
}

// most is how many may be at work at once.
func (r *rules) most() int {
	switch c := r.w.request.Concurrency; {
	case r.w.kind == "timed out" || r.w.kind == "canceled": // they end without a word
		return hosts
	case c.Count > 0:
		return int(c.Count)
	default:
		return hosts
	}
}

// before is how many targets are in the batches before that of the newest.
func (r *rules) before() (n int) {
	if len(r.w.request.Batches) == 0 {
		return 0
	}
	for i := 0; ; i++ {
		size := r.w.request.Batches[min(i, len(r.w.request.Batches)-1)]
		amount := int(size.Count)
		if size.Percent > 0 {
			amount = (hosts*int(size.Percent) + 99) / 100
		}
		if r.begun <= n+amount {
			return n
		}
		n += amount
	}
}

func (r *rules) fail(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}
