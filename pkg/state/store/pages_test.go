package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// upTo is pages of the numbers after one, up to another, and how many were asked for.
func upTo(last, full int) (page func(int) ([]int, error), asked *int) {
	asked = new(int)
	return func(after int) (all []int, err error) {
		*asked++
		for n := after + 1; n <= last && len(all) < full; n++ {
			all = append(all, n)
		}
		return all, nil
	}, asked
}

func TestPagesAreReadOneAfterAnotherUntilOneIsNotFull(t *testing.T) {
	for _, c := range []struct{ after, last, full, pages int }{{0, 0, 3, 1}, {0, 2, 3, 1}, {0, 3, 3, 2}, {0, 7, 3, 3}, {5, 7, 3, 1}, {7, 7, 1, 1}} {
		page, asked := upTo(c.last, c.full)
		var got, want []int
		for n, err := range store.Pages(c.after, c.full, page) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		for n := c.after + 1; n <= c.last; n++ {
			want = append(want, n)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || *asked != c.pages {
			t.Errorf("%+v: %v in %d pages, want %v", c, got, *asked, want)
		}
	}
}

func TestPagesBeginAnewForWhoRangesAgainAndEndWithWhoHasEnough(t *testing.T) {
	page, asked := upTo(10, 3)
	all := store.Pages(0, 3, page)
	for range 2 {
		*asked = 0
		for n, err := range all {
			if err != nil || n == 4 {
				break
			}
		}
		if *asked != 2 {
			t.Errorf("%d pages were read for 4 elements of 3 to a page", *asked)
		}
	}
}

func TestAPageThatCannotBeReadEndsTheLoop(t *testing.T) {
	bad := errors.New("bad")
	page, asked := upTo(10, 3)
	seen := 0
	for n, err := range store.Pages(0, 3, func(after int) ([]int, error) {
		if after == 3 {
			return []int{4}, bad
		}
		return page(after)
	}) {
		if seen++; seen <= 3 && err != nil || seen == 4 && (n != 0 || !errors.Is(err, bad)) || seen > 4 {
			t.Errorf("element %d is %d, %v", seen, n, err)
		}
	}
	if seen != 4 || *asked != 1 {
		t.Errorf("%d elements", seen)
	}
}
