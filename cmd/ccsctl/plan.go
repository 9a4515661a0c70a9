package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// Bounds of a plan in words.
const (
	maxSizes  = 8 // batches that are listed one by one
	maxPoints = 8 // pause points
)

// planText says in a sentence how a job is going to go over so many hosts, such
// as "8 hosts in 3 batches of 1, 2 and 5; pauses after 1 host and after batch 2".
// It is empty where all begin at once and nothing stops it.
func planText(r client.Request, total int) string {
	sizes := batchSizes(r.Batches, total)
	var parts []string
	if r.Order == client.SpreadRooms {
		parts = append(parts, "a host of each room in turn")
	}
	parts = append(parts, pausesText(r, total, sizes)...)
	if r.Concurrency != (client.Amount{}) {
		parts = append(parts, fmt.Sprintf("at most %d at a time", min(job.Amount(r.Concurrency).Of(total), total)))
	}
	if r.MaxFailures != nil {
		parts = append(parts, budgetText(r, total))
	}
	if r.Command.Attempts > 1 {
		parts = append(parts, fmt.Sprintf("where a crash of its host loses it the command is started again, up to %d times in all", r.Command.Attempts))
	}
	if len(parts) == 0 && len(sizes) == 0 {
		return ""
	}
	head := plural(total, "host")
	switch {
	case len(sizes) > 1:
		head += fmt.Sprintf(" in %d batches of %s", len(sizes), sizesText(sizes))
	case len(sizes) == 1:
		head += " in 1 batch"
	}
	return strings.Join(append([]string{head}, parts...), "; ")
}

// planOf is planText of a job that is there; what was signed of attempts it does
// not say.
func planOf(j client.Job) string {
	return planText(client.Request{
		Concurrency: j.Concurrency, Order: j.Order, Batches: j.BatchSizes, PauseAfter: j.PauseAfter, PauseAfterBatches: j.PauseAfterBatches,
		MaxFailures: j.MaxFailures, OnFailure: j.OnFailure, Tolerated: j.Tolerated,
	}, j.Targets)
}

// batchSizes are the sizes of all batches; none where none are asked for.
func batchSizes(batches []client.Amount, total int) (sizes []int) {
	if len(batches) == 0 {
		return nil
	}
	for left := total; left > 0; {
		next := batches[min(len(sizes), len(batches)-1)]
		size := min(left, job.Amount(next).Of(total))
		sizes = append(sizes, size)
		left -= size
	}
	return sizes
}

// sizesText is such as "1, 2 and 5", and where there are many of the same such as
// "1, 10, then 19 of 25 and the last of 14".
func sizesText(sizes []int) string {
	if slices.Min(sizes) == slices.Max(sizes) {
		return fmt.Sprintf("%d each", sizes[0])
	}
	if len(sizes) <= maxSizes {
		return series(sizes, "%d")
	}
	last := len(sizes) - 1
	begins := last - 1 // of the run of equal sizes before the last one
	for begins > 0 && sizes[begins-1] == sizes[last-1] {
		begins--
	}
	run := last - begins
	if sizes[last] == sizes[last-1] {
		run++
	}
	tail := fmt.Sprintf("%d of %d", run, sizes[begins])
	if begins == 0 {
		tail = fmt.Sprintf("%d each", sizes[0])
	}
	if begins+run <= last {
		tail += fmt.Sprintf(" and the last of %d", sizes[last])
	}
	if begins == 0 {
		return tail
	}
	var head []string
	for _, n := range sizes[:min(begins, maxSizes)] {
		head = append(head, fmt.Sprint(n))
	}
	if begins > maxSizes {
		head = append(head, "...")
	}
	return strings.Join(head, ", ") + ", then " + tail
}

// pausesText says where the job pauses, and which of the points never come.
func pausesText(r client.Request, total int, sizes []int) (parts []string) {
	type point struct {
		hosts int // that have been released by then
		text  string
	}
	var points []point
	for _, n := range r.PauseAfter {
		points = append(points, point{int(n), "after " + plural(int(n), "host")})
	}
	for _, n := range r.PauseAfterBatches {
		hosts := total
		if int(n) < len(sizes) {
			hosts = sum(sizes[:n])
		}
		points = append(points, point{hosts, fmt.Sprintf("after batch %d", n)})
	}
	slices.SortStableFunc(points, func(a, b point) int { return a.hosts - b.hosts })
	var come, never []string
	for _, p := range points {
		if p.hosts < total {
			come = append(come, p.text)
		} else {
			never = append(never, p.text)
		}
	}
	if len(come) > 0 {
		parts = append(parts, "pauses "+series(clipped(come), "%s"))
	}
	if len(never) > 0 {
		parts = append(parts, fmt.Sprintf("never comes to its pause %s, where nothing is left", series(clipped(never), "%s")))
	}
	return parts
}

func sum(sizes []int) (n int) {
	for _, size := range sizes {
		n += size
	}
	return n
}

func clipped(points []string) []string {
	if more := len(points) - maxPoints; more > 0 {
		return append(points[:maxPoints:maxPoints], fmt.Sprintf("at %d more points", more))
	}
	return points
}

// budgetText says what a failure budget promises: a host is only started while
// bad outcomes and hosts at work are no more than it.
func budgetText(r client.Request, total int) string {
	tolerated := job.Budget{Limited: true, Count: r.MaxFailures.Count, Percent: r.MaxFailures.Percent}.Of(total)
	if tolerated >= total {
		return fmt.Sprintf("a budget of %d bad outcomes, which %s cannot exceed", tolerated, plural(total, "host"))
	}
	stops, bound := "pauses", "more than "+plural(tolerated, "bad outcome")
	if r.OnFailure == client.AbortOnFailure {
		stops = "skips the rest"
	}
	if tolerated == 0 {
		bound = "the first bad outcome"
	}
	text := fmt.Sprintf("%s at %s, and what was started can make at most %d (budget %d): never more than %d at work", stops, bound, tolerated+1, tolerated, tolerated+1)
	if len(r.Tolerated) > 0 {
		text += "; not bad: " + strings.Join(r.Tolerated, ", ")
	}
	return text
}

// series is such as "1, 2 and 5".
func series[T any](items []T, format string) string {
	var text strings.Builder
	for i, item := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			text.WriteString(" and ")
		default:
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, format, item)
	}
	return text.String()
}
