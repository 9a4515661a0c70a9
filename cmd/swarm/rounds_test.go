package main

import (
	"strings"
	"testing"
	"time"
)

func TestARoundSaysWhoDidNotAnswer(t *testing.T) {
	r := round{asked: 3, answers: []time.Duration{1, 2, 3}}
	if err := r.whole(); err != nil {
		t.Errorf("all have answered: %v", err)
	}
	r = round{asked: 3, answers: []time.Duration{1}, bad: []string{"h2: REFUSED signature"}}
	if err := r.whole(); err == nil || !strings.Contains(err.Error(), "1 of 3") || !strings.Contains(err.Error(), "h2: REFUSED signature") {
		t.Errorf("it says %v", err)
	}
}

func TestQuantilesAreThoseOfTheAnswers(t *testing.T) {
	var r round
	if r.last() != 0 {
		t.Errorf("without an answer the last is %s", r.last())
	}
	for i := range 101 {
		r.answers = append(r.answers, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 50, 0.99: 99, 1: 100} {
		if got := r.quantile(q); got != want {
			t.Errorf("the %v-quantile is %d, want %d", q, got, want)
		}
	}
	if m := median([]time.Duration{9, 1, 5}); m != 5 {
		t.Errorf("the median is %d", m)
	}
}

func TestARoundAsksForAPingOrForACommand(t *testing.T) {
	if c := (flags{}).question(); !c.Ping || len(c.Argv) != 0 {
		t.Errorf("without --command it asks for %+v", c)
	}
	if c := (flags{command: true}).question(); c.Ping || len(c.Argv) != 1 || c.Argv[0] != "true" {
		t.Errorf("with --command it asks for %+v", c)
	}
}
