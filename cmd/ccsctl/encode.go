package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode"

	"gopkg.in/yaml.v3"
)

// The formats of what is printed.
const (
	formatPlain = "plain"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

var formats = []string{formatPlain, formatWide, formatJSON, formatYAML}

func checkFormat(format string) error {
	if !slices.Contains(formats, format) {
		return fmt.Errorf("there is no output format %q: give plain, wide, json or yaml", format)
	}
	return nil
}

// isDocument reports whether programs read what is printed.
func (a *app) isDocument() bool { return a.output == formatJSON || a.output == formatYAML }

// isWide reports whether tables have all columns.
func (a *app) isWide() bool { return a.output == formatWide }

// encode prints one document in the format that was asked for.
func (a *app) encode(doc any) error {
	text, err := a.encoded(doc)
	if err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	_, err = a.stdout.Write(text)
	return err
}

func (a *app) encoded(doc any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil || a.output != formatYAML {
		return text.Bytes(), err
	}
	return yamlOf(escaped(text.String()))
}

// escaped is JSON as YAML reads it: with every character written as a number that
// YAML does not allow as it is.
func escaped(text string) []byte {
	var out bytes.Buffer
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		fmt.Fprintf(&out, "\\U%08x", r)
	}
	return out.Bytes()
}

// yamlOf is what is JSON already, fields in the same order.
func yamlOf(text []byte) ([]byte, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return nil, err
	}
	blockStyle(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

// blockStyle forgets that it was JSON.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, inner := range n.Content {
		blockStyle(inner)
	}
}
