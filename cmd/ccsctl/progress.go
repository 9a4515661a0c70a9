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

// eraseLine takes away what stands in the line, and below it, where a terminal
// that became narrower has wrapped it.
const eraseLine = "\r\x1b[J"

// progress shows how far a job is: one live line on a terminal, a line now and
// then elsewhere.
type progress struct {
	to    io.Writer
	width func() int // of the terminal, now; nil: there is none
	began time.Time
	since time.Time // that the pace is counted from
	had   int       // settled at that time; -1: not known yet
	said  time.Time
	last  string
}

func newProgress(to io.Writer, width func() int, now time.Time) *progress {
	return &progress{to: to, width: width, began: now, since: now, said: now, had: -1}
}

func (p *progress) elapsed(now time.Time) time.Duration { return now.Sub(p.began) }

// draw shows the job if there is something new to show.
func (p *progress) draw(job client.Job, now time.Time) {
	if job.Targets == 0 {
		return
	}
	if p.had < 0 {
		p.had = job.Settled()
	}
	if job.State == statePaused { // the pace is that of the work after it
		p.had, p.since = job.Settled(), now
	}
	pace := paceOf(job, job.Settled()-p.had, now.Sub(p.since))
	if p.width != nil {
		if line := liveLine(job, pace, p.width()); line != p.last {
			p.last = line
			_, _ = io.WriteString(p.to, eraseLine+line) // a terminal that is gone ends us by a signal
		}
		return
	}
	line := progressLine(job)
	if now.Sub(p.said) < plainEvery || line == p.last || job.State == statePaused && job.InFlight == 0 {
		return
	}
	p.last, p.said = line, now
	_, _ = fmt.Fprintf(p.to, "%6.0f s  %s\n", p.elapsed(now).Seconds(), joined(line, pace))
}

// end takes the live line away; the next draw brings another.
func (p *progress) end() {
	if p.width != nil && p.last != "" {
		_, _ = io.WriteString(p.to, eraseLine)
		p.last = ""
	}
}

// paceOf is such as "2.5/s  about 1s left": what was settled while we looked on.
func paceOf(job client.Job, settled int, elapsed time.Duration) string {
	if settled <= 0 || elapsed < time.Second {
		return ""
	}
	rate := float64(settled) / elapsed.Seconds()
	text := fmt.Sprintf("%.1f/s", rate)
	if rate < 0.1 {
		text = fmt.Sprintf("%.1f/min", rate*60)
	}
	if left := job.Targets - job.Settled(); left > 0 && nextPause(job) == "" { // how long a person thinks nobody knows
		text += fmt.Sprintf("  about %s left", span(time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second)))
	}
	return text
}

// liveLine is such as
//
//	[############........] 5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting  2.5/s  about 1s left
//
// and as much of it as a narrower terminal has room for; it never fills the last
// column, where some terminals would wrap.
func liveLine(job client.Job, pace string, width int) string {
	room := max(width-1, 0)
	counts := progressLine(job)
	short, _, _ := strings.Cut(counts, "  ")
	for _, line := range []string{
		bar(job, 20) + " " + joined(counts, pace),
		bar(job, 10) + " " + joined(counts, pace),
		bar(job, 20) + " " + joined(short, pace),
		bar(job, 10) + " " + short,
		short,
	} {
		if len(line) <= room { // all of it is ASCII
			return line
		}
	}
	return short[:min(len(short), room)]
}

func bar(job client.Job, cells int) string {
	full := min(cells, cells*job.Settled()/job.Targets)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "]"
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "  " + b
}

// progressLine is the counts, the batch if there are several, and the state where
// that is no common one.
func progressLine(job client.Job) string {
	line := countsLine(job)
	if batch := batchText(job); batch != "" {
		line = joined(line, "batch "+batch)
	}
	if job.State == "RUNNING" || job.State == "DONE" {
		return line
	}
	return joined(line, job.State)
}

// batchText is such as "2/3"; empty of a job with one batch.
func batchText(job client.Job) string {
	if job.Batches < 2 {
		return ""
	}
	return fmt.Sprintf("%d/%d", job.Batch, job.Batches)
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
	return joined(fmt.Sprintf("%d/%d", job.Settled(), job.Targets), strings.Join(parts, ", "))
}

// outcomeCounts is such as "4 SUCCEEDED", "1 FAILED".
func outcomeCounts(counts map[string]int) (parts []string) {
	for _, state := range countedStates(counts) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	return parts
}

// countedStates are the outcomes of which there are some.
func countedStates(counts map[string]int) (states []string) {
	var others []string
	for state := range counts {
		if !slices.Contains(outcomes, state) && !slices.Contains(live, state) {
			others = append(others, state) // of a later version
		}
	}
	slices.Sort(others)
	return slices.DeleteFunc(slices.Concat(outcomes, others), func(s string) bool { return counts[s] == 0 })
}
