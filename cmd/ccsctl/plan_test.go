package main

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestThePlanOfAJobIsASentence(t *testing.T) {
	batches := []client.Amount{{Count: 1}, {Count: 2}, {Percent: 50}}
	for want, r := range map[string]client.Request{
		"":                                               {},
		"8 hosts in 4 batches of 1, 2, 4 and 1":          {Batches: batches},
		"8 hosts in 1 batch":                             {Batches: []client.Amount{{Percent: 100}}},
		"8 hosts; at most 2 at a time":                   {Concurrency: client.Amount{Percent: 25}},
		"8 hosts; at most 8 at a time":                   {Concurrency: client.Amount{Count: 100}},
		"8 hosts; a host of each room in turn":           {Order: client.SpreadRooms},
		"8 hosts; pauses after 1 host and after 3 hosts": {PauseAfter: []uint32{1, 3}},
		"8 hosts in 4 batches of 1, 2, 4 and 1; pauses after 1 host and after batch 2; never comes to its pause after 8 hosts and after batch 4, where nothing is left": {
			Batches: batches, PauseAfter: []uint32{1, 8}, PauseAfterBatches: []uint32{2, 4},
		},
		"8 hosts; pauses at more than 1 bad outcome, and what was started can make at most 2 (budget 1): never more than 2 at work": {
			MaxFailures: &client.Budget{Count: 1},
		},
		"8 hosts; skips the rest at the first bad outcome, and what was started can make at most 1 (budget 0): never more than 1 at work; not bad: EXPIRED, LOST": {
			MaxFailures: &client.Budget{Percent: 10}, OnFailure: client.AbortOnFailure, Tolerated: []string{"EXPIRED", "LOST"},
		},
		"8 hosts; a budget of 8 bad outcomes, which 8 hosts cannot exceed": {MaxFailures: &client.Budget{Percent: 100}},
		"8 hosts; where a crash of its host loses it the command is started again, up to 3 times in all": {
			Command: client.Command{Attempts: 3},
		},
	} {
		if got := planText(r, 8); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestManyBatchesAreSaidShortly(t *testing.T) {
	count := func(sizes ...uint32) (all []client.Amount) {
		for _, n := range sizes {
			all = append(all, client.Amount{Count: n})
		}
		return all
	}
	for want, batches := range map[string][]client.Amount{
		"25 each":                    count(25),
		"30 each and the last of 10": count(30),
		"1, 10, then 19 of 50 and the last of 39":                       count(1, 10, 50),
		"1, 9, then 33 of 30":                                           count(1, 9, 30),
		"1, 2, 3, 4, 5, 6, 7, 8, ..., then 9 of 100 and the last of 55": count(1, 2, 3, 4, 5, 6, 7, 8, 9, 100),
		"1, 2, 3, 4, 5, 6, 7 and 972":                                   append(count(1, 2, 3, 4, 5, 6, 7), client.Amount{Percent: 100}),
	} {
		if got := sizesText(batchSizes(batches, 1000)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestTheSizesOfBatchesAreThoseOfTheServers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batches []client.Amount
		var rollout job.Rollout
		for range rapid.IntRange(1, 5).Draw(t, "named") {
			a := client.Amount{Count: rapid.Uint32Range(1, 40).Draw(t, "count")}
			if rapid.Bool().Draw(t, "percent") {
				a = client.Amount{Percent: rapid.Uint32Range(1, 100).Draw(t, "percent")}
			}
			batches, rollout.Batches = append(batches, a), append(rollout.Batches, job.Amount(a))
		}
		total := rapid.IntRange(1, 300).Draw(t, "hosts")
		sizes, sum := batchSizes(batches, total), 0
		for _, n := range sizes {
			sum += n
		}
		if sum != total || len(sizes) != rollout.BatchesOf(total) || slices.Min(sizes) < 1 {
			t.Fatalf("%d hosts in %d batches, here %v", total, rollout.BatchesOf(total), sizes)
		}
	})
}

func TestAmountsAreReadAsTheyAreWritten(t *testing.T) {
	got, err := amounts("batch", "1, 10,25%")
	if err != nil || !slices.Equal(got, []client.Amount{{Count: 1}, {Count: 10}, {Percent: 25}}) {
		t.Errorf("got %v, %v", got, err)
	}
	for text, want := range map[string]client.Budget{"0": {}, "0%": {}, "3": {Count: 3}, "100%": {Percent: 100}} {
		if got, err := budget("max-failures", text); err != nil || *got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if got, err := budget("max-failures", ""); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
