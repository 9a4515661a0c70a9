package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

func someJob() client.Job {
	return client.Job{
		State: "RUNNING", Targets: 8, InFlight: 2,
		Counts: map[string]int{"SUCCEEDED": 4, "FAILED": 1, "RUNNING": 2, "PENDING": 1, "LATER_STATE": 0},
	}
}

func TestTheLiveLineSaysAsMuchAsItsTerminalHasRoomFor(t *testing.T) {
	for width, want := range map[int]string{
		200: "[############........] 5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting  2.5/s  about 1s left",
		85:  "[######....] 5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting  2.5/s  about 1s left",
		60:  "[############........] 5/8  2.5/s  about 1s left",
		40:  "[######....] 5/8",
		10:  "5/8",
		4:   "5/8",
		3:   "5/",
		1:   "",
		0:   "",
	} {
		if got := liveLine(someJob(), "2.5/s  about 1s left", width); got != want {
			t.Errorf("%d columns\ngot  %q\nwant %q", width, got, want)
		}
	}
	for width := range 120 {
		if got := liveLine(someJob(), "2.5/s", width); len(got) >= max(width, 1) {
			t.Errorf("%d columns got %d", width, len(got))
		}
	}
}

func TestAStateOfALaterVersionIsCountedToo(t *testing.T) {
	job := client.Job{State: "STOPPING", Targets: 8, InFlight: 2, Counts: map[string]int{"LATER_STATE": 3}}
	if got := progressLine(job); got != "6/8  3 LATER_STATE, 2 at work  STOPPING" {
		t.Errorf("got %s", got)
	}
}

func TestTheRateIsOfWhatWasSettledWhileWeLookedOn(t *testing.T) {
	for _, c := range []struct {
		settled int
		elapsed time.Duration
		want    string
	}{
		{0, time.Minute, ""},
		{4, 500 * time.Millisecond, ""},
		{5, 2 * time.Second, "2.5/s  about 1s left"},
		{1, 20 * time.Second, "3.0/min  about 1m left"},
		{1, 4 * time.Second, "0.2/s  about 12s left"},
		{1, time.Hour, "0.0/min  about 3h left"},
	} {
		if got := paceOf(someJob(), c.settled, c.elapsed); got != c.want {
			t.Errorf("%d in %s: got %q, want %q", c.settled, c.elapsed, got, c.want)
		}
	}
	var b bytes.Buffer
	began := time.Unix(0, 0)
	p := newProgress(&b, func() int { return 200 }, began)
	p.draw(someJob(), began.Add(time.Second)) // five were settled before we came
	job := someJob()
	job.Counts["SUCCEEDED"], job.Counts["PENDING"] = 5, 0
	p.draw(job, began.Add(10*time.Second))
	if got := b.String(); !strings.Contains(got, "  0.1/s") || strings.Contains(got, "0.6/s") {
		t.Errorf("got %q", got)
	}
}

func TestTheLiveLineFollowsItsTerminalWhenThatIsResized(t *testing.T) {
	var b bytes.Buffer
	width := 200
	began := time.Unix(0, 0)
	p := newProgress(&b, func() int { return width }, began)
	p.draw(someJob(), began)
	width = 20
	p.draw(someJob(), began)
	width = 5
	p.draw(someJob(), began)
	p.draw(someJob(), began) // nothing new
	p.end()
	want := eraseLine + "[############........] 5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting" +
		eraseLine + "[######....] 5/8" + eraseLine + "5/8" + eraseLine
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestWhereThereIsNoTerminalALineIsPrintedNowAndThen(t *testing.T) {
	var b bytes.Buffer
	began := time.Unix(0, 0)
	p := newProgress(&b, nil, began)
	job := someJob()
	for second := range 13 {
		if second == 7 {
			job.Counts["SUCCEEDED"], job.Counts["PENDING"] = 5, 0
		}
		p.draw(job, began.Add(time.Duration(second)*time.Second))
	}
	p.end()
	want := "     5 s  5/8  4 SUCCEEDED, 1 FAILED, 2 at work, 1 waiting\n" +
		"    10 s  6/8  5 SUCCEEDED, 1 FAILED, 2 at work  0.1/s  about 20s left\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestAPauseIsNotPartOfThePace(t *testing.T) {
	var b bytes.Buffer
	began := time.Unix(0, 0)
	p := newProgress(&b, func() int { return 200 }, began)
	job := someJob()
	p.draw(job, began)
	job.State, job.PauseCause = statePaused, pausedByUser
	p.draw(job, began.Add(time.Hour))
	job.State, job.PauseCause = "RUNNING", ""
	job.Counts["SUCCEEDED"], job.Counts["PENDING"] = 5, 0
	p.draw(job, began.Add(time.Hour+10*time.Second))
	if got := b.String(); !strings.Contains(got, "PAUSED") || !strings.HasSuffix(got, "  0.1/s  about 20s left") {
		t.Errorf("got %q", got)
	}
	job.NextPauseAfter, job.Released = 7, 6
	if got := paceOf(job, 1, 10*time.Second); got != "0.1/s" {
		t.Errorf("with a pause ahead the end is foreseen: %q", got)
	}
}

func TestWhyAJobIsPausedIsSaidOfLaterCausesToo(t *testing.T) {
	job := client.Job{State: statePaused, Targets: 8, Released: 3, Batch: 2, Batches: 3, NextPauseAfter: 3}
	for cause, want := range map[string]string{
		pausedByUser: "by a user", pausedAtPoint: "at a pause point, after 3 hosts", "moon": "moon",
		pausedByBudget: "by its failure budget, at 0 bad outcomes with 0 tolerated",
	} {
		if job.PauseCause = cause; whyPaused(job) != want {
			t.Errorf("%s is %q", cause, whyPaused(job))
		}
	}
	job.PauseCause, job.NextPauseAfterBatch, job.NextPauseAfter = pausedAtPoint, 2, 0
	if got := whyPaused(job); got != "at a pause point, after batch 2" {
		t.Errorf("got %q", got)
	}
	job.State = "RUNNING"
	if got := whyPaused(job); got != "" {
		t.Errorf("what runs is paused %q", got)
	}
}
