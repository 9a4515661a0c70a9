package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
)

// wideRunes take two columns of a terminal (Unicode's East Asian Width W and F,
// by block).
var wideRunes = []struct{ first, last rune }{
	{0x1100, 0x115f},
	{0x2e80, 0x303e},
	{0x3041, 0xa4cf},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd},
}

// runeColumns is how many columns of a terminal a character takes.
func runeColumns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case slices.ContainsFunc(wideRunes, func(w struct{ first, last rune }) bool { return w.first <= r && r <= w.last }):
		return 2
	}
	return 1
}

func textColumns(text string) (n int) {
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// short keeps a cell of a table within its columns.
func short(text string, limit int) string {
	text = oneLine(text)
	if textColumns(text) <= limit {
		return text
	}
	used := 0
	for i, r := range text {
		if used += runeColumns(r); used > limit-3 {
			return strings.TrimSpace(text[:i]) + "..."
		}
	}
	return text
}

// oneLine keeps a cell in its line, whatever a host or a user has put in.
func oneLine(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text), " ")
}

// table prints rows in columns; a state in them is coloured.
func (a *app) table(head []string, rows [][]string) error {
	rows = append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textColumns(cell))
		}
	}
	for _, row := range rows {
		line, gap := "", ""
		for i, cell := range row {
			if cell != "" {
				line += gap + a.paint(cell, cell)
				gap = ""
			}
			gap += strings.Repeat(" ", widths[i]-textColumns(cell)+2)
		}
		if _, err := fmt.Fprintln(a.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// fields prints names and values, without those that are empty. A value that
// begins with a state is coloured.
func (a *app) fields(pairs ...string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		value := oneLine(pairs[i+1])
		state, _, _ := strings.Cut(value, " ")
		if _, err := fmt.Fprintf(w, "%s:\t%s\n", pairs[i], a.paint(state, value)); err != nil {
			return err
		}
	}
	return w.Flush()
}
