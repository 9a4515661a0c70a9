package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// environment is what a file and flags declare, the file first; a name that a
// flag gives is not taken from the file. Values are never shown: they may be
// secret.
func environment(file string, flags []string, in input) ([]string, error) {
	if file == "" {
		return flags, nil
	}
	content, err := attach("environment", file, in)
	if err != nil {
		return nil, err
	}
	declared, fault := parseEnvironment(content)
	if fault != "" {
		return nil, usagef("cannot use the environment of %s: %s", file, fault)
	}
	given := map[string]bool{}
	for _, entry := range flags {
		name, _, _ := strings.Cut(entry, "=")
		given[name] = true
	}
	var all []string
	for _, entry := range declared {
		if name, _, _ := strings.Cut(entry, "="); !given[name] {
			all = append(all, entry)
		}
	}
	return append(all, flags...), nil
}

// parseEnvironment reads NAME=VALUE a line; blank lines and lines that begin with
// # say nothing. A value is what follows the first =, as it is: there are no
// quotes and no variables.
func parseEnvironment(content []byte) (entries []string, fault string) {
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSuffix(lines.Text(), "\r")
		if trimmed := strings.TrimSpace(text); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		name, _, ok := strings.Cut(text, "=")
		switch {
		case !ok || name == "" || strings.TrimSpace(name) != name:
			return nil, fmt.Sprintf("line %d is not NAME=VALUE", n)
		case seen[name]:
			return nil, fmt.Sprintf("line %d gives %s again", n, short(name, 60))
		}
		seen[name] = true
		entries = append(entries, text)
	}
	return entries, ""
}
