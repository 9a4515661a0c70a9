package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// bin is a Remover of which each job has so many rows, and that tells what it did.
type bin struct {
	*store.Step
	unfinished, rows, ids int
	each                  func() // row; nil: nothing
	did                   []string
	fails                 string
}

func (b *bin) do(what string, rows *int) error {
	b.did = append(b.did, what)
	if what == b.fails {
		return errors.New(what)
	}
	for ; *rows > 0 && !b.Full(); *rows-- {
		if b.each != nil {
			b.each()
		}
		b.Took(1)
	}
	return nil
}

func (b *bin) Finish(context.Context) error { return b.do("finish", &b.unfinished) }

func (b *bin) Remove(_ context.Context, v store.Victim) error {
	rows := b.rows
	return b.do(fmt.Sprint(v.Seq), &rows)
}

func (b *bin) ForgetIDs(context.Context) (more bool, err error) {
	err = b.do("forget", &b.ids)
	return b.ids > 0, err
}

// found are jobs 11, 12, …
func found(jobs int, end bool) store.Removable {
	f := store.Removable{Looked: int64(20 + jobs), End: end}
	for n := range jobs {
		f.Jobs = append(f.Jobs, store.Victim{Seq: int64(11 + n)})
	}
	return f
}

func TestAStepFinishesThenRemovesThenForgetsAsFarAsItMay(t *testing.T) {
	for name, c := range map[string]struct {
		bin   bin
		limit int
		found store.Removable
		did   string
		rows  int
		next  int64
	}{
		"all there is":                    {bin{unfinished: 2, rows: 3, ids: 4}, 100, found(2, true), "finish 11 12 forget", 12, 0},
		"nothing":                         {bin{}, 100, found(0, true), "finish forget", 0, 0},
		"what was begun, and no more":     {bin{unfinished: 9, rows: 3}, 5, found(2, true), "finish", 5, 10},
		"one job of two":                  {bin{rows: 3, ids: 4}, 3, found(2, true), "finish 11", 3, 11},
		"the last job, and no id":         {bin{rows: 3, ids: 4}, 6, found(2, true), "finish 11 12", 6, 22},
		"some ids":                        {bin{rows: 3, ids: 4}, 8, found(2, true), "finish 11 12 forget", 8, 22},
		"all that was looked at, not all": {bin{rows: 3, ids: 4}, 100, found(2, false), "finish 11 12", 6, 22},
		"at least one row":                {bin{rows: 3}, 0, found(2, true), "finish 11", 1, 11},
	} {
		step := store.NewStep(&store.Sweep{From: 10, Limit: c.limit})
		c.bin.Step = &step
		if err := step.Run(t.Context(), c.found, &c.bin); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.bin.did, " "); got != c.did || step.Done.Rows != c.rows || step.Done.Next != c.next {
			t.Errorf("%s: it did %q, %d rows, and goes on after %d; want %q, %d, %d", name, got, step.Done.Rows, step.Done.Next, c.did, c.rows, c.next)
		}
	}
}

func TestAStepEndsWhenItsTimeIsOverAndHasDoneSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aMillisecond := func() { time.Sleep(time.Millisecond) }
		step := store.NewStep(&store.Sweep{Limit: 1000, Hold: 5 * time.Millisecond})
		b := bin{Step: &step, rows: 3, each: aMillisecond}
		if err := step.Run(t.Context(), found(9, true), &b); err != nil || step.Done.Rows != 5 || step.Done.Next != 12 || step.Left() != 995 {
			t.Errorf("%+v, %v", step.Done, err)
		}
		step = store.NewStep(&store.Sweep{Limit: 1000, Hold: 1})
		time.Sleep(time.Second) // over before it has begun
		b = bin{Step: &step, rows: 3, each: aMillisecond}
		if err := step.Run(t.Context(), found(9, true), &b); err != nil || step.Done.Rows != 1 {
			t.Errorf("late: %+v, %v, want one row", step.Done, err)
		}
	})
}

func TestAStepThatFailsEndsThere(t *testing.T) {
	for fails, did := range map[string]string{"finish": "finish", "12": "finish 11 12", "forget": "finish 11 12 forget"} {
		step := store.NewStep(&store.Sweep{Limit: 100})
		b := bin{Step: &step, rows: 1, fails: fails}
		if err := step.Run(t.Context(), found(2, true), &b); err == nil || strings.Join(b.did, " ") != did {
			t.Errorf("%s: it did %q, %v", fails, b.did, err)
		}
	}
}
