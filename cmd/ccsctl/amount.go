package main

import (
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

// amount reads N or N%.
func amount(flag, text string) (client.Amount, error) {
	n, percent, ok := number(text)
	if !ok || n == 0 {
		return client.Amount{}, usagef("--%s %q is no amount: give a number of hosts from 1, or 1%% to 100%%", flag, text)
	}
	if percent {
		return client.Amount{Percent: n}, nil
	}
	return client.Amount{Count: n}, nil
}

// amounts reads amounts that are separated by commas; none of an empty text.
func amounts(flag, text string) (all []client.Amount, err error) {
	for _, word := range listOf(text) {
		a, err := amount(flag, word)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// budget reads N or N%, where 0 is one too; nil of an empty text.
func budget(flag, text string) (*client.Budget, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no budget is what a job may have
	}
	n, percent, ok := number(text)
	switch {
	case !ok:
		return nil, usagef("--%s %q is no number of bad outcomes: give one from 0, or 0%% to 100%%", flag, text)
	case percent:
		return &client.Budget{Percent: n}, nil
	}
	return &client.Budget{Count: n}, nil
}

// points reads ascending numbers from 1 that are separated by commas.
func points(flag, text string) (all []uint32, err error) {
	for _, word := range listOf(text) {
		n, percent, ok := number(word)
		if !ok || percent || n == 0 {
			return nil, usagef("--%s %q is no number to pause after: give numbers from 1, such as 1,10", flag, word)
		}
		if len(all) > 0 && n <= all[len(all)-1] {
			return nil, usagef("--%s has %d after %d: give the numbers ascending, each once", flag, n, all[len(all)-1])
		}
		all = append(all, n)
	}
	return all, nil
}

// number reads a whole number, which may be a percentage, and then is at most 100.
func number(text string) (n uint32, percent, ok bool) {
	digits, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || percent && v > 100 {
		return 0, percent, false
	}
	return uint32(v), percent, true
}

// listOf are the words of a list that is separated by commas.
func listOf(text string) (words []string) {
	if text == "" {
		return nil
	}
	for word := range strings.SplitSeq(text, ",") {
		words = append(words, strings.TrimSpace(word))
	}
	return words
}
