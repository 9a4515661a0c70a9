package store

import (
	"fmt"
	"math"
	"strconv"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// JobQuery selects a page of jobs; zero values select all.
type JobQuery struct {
	State     job.State
	Submitter string
	Unknown   bool   // only jobs of which a task is UNKNOWN
	Token     string // of the page before, with the same filters
	Limit     int    // 1..MaxPage; else MaxPage
}

// list names the list, with the filters that make it.
func (q JobQuery) list() string {
	list := fmt.Sprintf("jobs state=%d submitter=%q", q.State, q.Submitter)
	if q.Unknown {
		list += " unknown"
	}
	return list
}

// Before is for versions of the store: only jobs whose number of acceptance is
// less are on the page. Errors wrap ErrPageToken.
func (q JobQuery) Before() (int64, error) {
	cursor, err := Cursor(q.list(), q.Token)
	if cursor == "" {
		return math.MaxInt64, err
	}
	before, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		return 0, errTokenDamaged()
	}
	return before, nil
}

// Next is for versions of the store: the token after a page that ended with
// the job of this number; 0 if there are no more.
func (q JobQuery) Next(last int64) string {
	if last == 0 {
		return ""
	}
	return PageToken(q.list(), strconv.FormatInt(last, 10))
}

// MaxPage bounds a page of jobs and of tasks.
const MaxPage = 1000

// Page returns a limit within bounds.
func Page(limit int) int {
	if limit <= 0 || limit > MaxPage {
		return MaxPage
	}
	return limit
}
