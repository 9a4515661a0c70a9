package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The formats of what is printed.
const (
	formatPlain = "plain"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

func checkFormat(format string) error {
	if !slices.Contains([]string{formatPlain, formatJSON, formatYAML}, format) {
		return usagef("there is no output format %q: give plain, json or yaml", format)
	}
	return nil
}

// encode prints one document in the format that was asked for.
func (a *app) encode(doc any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	if a.output == formatYAML {
		return a.encodeYAML(text.Bytes())
	}
	_, err := a.stdout.Write(text.Bytes())
	return err
}

// encodeYAML prints what is JSON already, fields in the same order.
func (a *app) encodeYAML(text []byte) error {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	blockStyle(&node)
	enc := yaml.NewEncoder(a.stdout)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	return enc.Close()
}

// blockStyle forgets that it was JSON.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, inner := range n.Content {
		blockStyle(inner)
	}
}

// table prints rows in columns.
func (a *app) table(head []string, rows [][]string) error {
	rows = append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		if _, err := fmt.Fprintln(a.stdout, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// fields prints names and values, without those that are empty.
func (a *app) fields(pairs ...string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s:\t%s\n", pairs[i], oneLine(pairs[i+1])); err != nil {
			return err
		}
	}
	return w.Flush()
}

// oneLine keeps a cell in its line.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// stamp is a time as people read it; empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
