package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

// plainEvery is the time between two lines where there is no terminal.
const plainEvery = 5 * time.Second

// stateQuarantined is the one state of a job that a watch does not end by
// itself.
const stateQuarantined = "QUARANTINED"

// outcomes are the settled states, in the order in which they are counted.
var outcomes = []string{
	"SUCCEEDED", "FAILED", "TIMED_OUT", "START_FAILED", "REFUSED", "LOST", "UNKNOWN", "EXPIRED", "CANCELED", "SKIPPED",
}

// progress shows how far a job is: one live line on a terminal, a line now and
// then elsewhere.
type progress struct {
	to    io.Writer
	width int // of the terminal; 0: none
	began time.Time
	said  time.Time
	last  string
}

func newProgress(to io.Writer, width int, now time.Time) *progress {
	return &progress{to: to, width: width, began: now, said: now}
}

func (p *progress) elapsed(now time.Time) time.Duration { return now.Sub(p.began) }

// draw shows the job if there is something new to show.
func (p *progress) draw(job client.Job, now time.Time) {
	if job.Targets == 0 {
		return
	}
	if p.width > 0 {
		if line := liveLine(job, p.elapsed(now), p.width); line != p.last {
			p.last = line
			_, _ = io.WriteString(p.to, "\r\x1b[K"+line) // a terminal that is gone ends us by a signal
		}
		return
	}
	line := countsLine(job)
	if now.Sub(p.said) < plainEvery || line == p.last {
		return
	}
	p.last, p.said = line, now
	_, _ = fmt.Fprintf(p.to, "%6.0f s  %s\n", p.elapsed(now).Seconds(), line)
}

// end takes the live line away.
func (p *progress) end() {
	if p.width > 0 && p.last != "" {
		_, _ = io.WriteString(p.to, "\r\x1b[K")
	}
}

// liveLine is such as
//
//	[########............] 5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting  2.5/s  about 1 s left
func liveLine(job client.Job, elapsed time.Duration, width int) string {
	const cells = 20
	full := cells * job.Settled() / job.Targets
	line := "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "] " + countsLine(job)
	if settled := job.Settled(); settled > 0 && elapsed >= time.Second {
		rate := float64(settled) / elapsed.Seconds()
		line += fmt.Sprintf("  %.1f/s", rate)
		if left := job.Targets - settled; left > 0 {
			line += fmt.Sprintf("  about %s left", (time.Duration(float64(left)/rate*float64(time.Second)) + time.Second/2).Truncate(time.Second))
		}
	}
	return line[:min(len(line), max(width-1, 0))]
}

// countsLine is such as "5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting".
func countsLine(job client.Job) string {
	parts := outcomeCounts(job.Counts)
	if job.InFlight > 0 {
		parts = append(parts, fmt.Sprintf("%d at work", job.InFlight))
	}
	if waiting := job.Counts["PENDING"]; waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", waiting))
	}
	line := fmt.Sprintf("%d/%d", job.Settled(), job.Targets)
	if len(parts) > 0 {
		line += "  " + strings.Join(parts, ", ")
	}
	if job.State != "RUNNING" && job.State != "DONE" {
		line += "  " + job.State
	}
	return line
}

// outcomeCounts is such as "4 SUCCEEDED", "1 FAILED".
func outcomeCounts(counts map[string]int) (parts []string) {
	live := []string{"PENDING", "DISPATCHED", "ACCEPTED", "STARTING", "RUNNING"}
	var others []string
	for state := range counts {
		if !slices.Contains(outcomes, state) && !slices.Contains(live, state) {
			others = append(others, state) // of a later version
		}
	}
	slices.Sort(others)
	for _, state := range slices.Concat(outcomes, others) {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return parts
}
