package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// Limits of a file of hosts.
const (
	maxHosts      = 500_000 // targets that a job may have
	maxFaultLines = 10      // that are shown
)

// readHosts reads a file with one host a line; each is given once.
func readHosts(path string, in input) ([]string, error) {
	from, err := in.open(path)
	if err != nil {
		return nil, in.cannotRead("hosts", err)
	}
	defer func() { _ = from.Close() }() // it was only read
	name := path
	if path == "-" {
		name = "stdin"
	}
	hosts, faults, err := parseHosts(from)
	switch {
	case err != nil:
		return nil, in.cannotRead("hosts of "+name, err)
	case len(faults) > maxFaultLines:
		faults = append(faults[:maxFaultLines], fmt.Sprintf("and %d lines more", len(faults)-maxFaultLines))
		fallthrough
	case len(faults) > 0:
		return nil, usagef("cannot use the hosts of %s: give one host id or IP address a line\n%s", name, indent(strings.Join(faults, "\n")))
	case len(hosts) == 0:
		return nil, usagef("there is no host in %s: give one host id or IP address a line", name)
	}
	return hosts, nil
}

// parseHosts returns the hosts, each once, and what is wrong with other lines.
func parseHosts(from io.Reader) (hosts, faults []string, err error) {
	seen := map[string]bool{}
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		text = strings.TrimSpace(text)
		if text == "" || seen[text] {
			continue
		}
		seen[text] = true
		if fault := hostFault(text); fault != "" {
			faults = append(faults, fmt.Sprintf("line %d: %q %s", n, short(text, 60), fault))
			continue
		}
		if hosts = append(hosts, text); len(hosts) > maxHosts {
			return nil, nil, fmt.Errorf("more than %d hosts, the most that a job may have: split it", maxHosts)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, nil, errors.New("a line is too long: this is no file of hosts")
	}
	return hosts, faults, lines.Err()
}

// hostFault says why a text cannot name a host; empty if it can.
func hostFault(text string) string {
	if _, err := netip.ParseAddr(text); err == nil {
		return ""
	}
	if len(strings.Fields(text)) > 1 || strings.ContainsRune(text, ',') {
		return "is more than one word"
	}
	if _, err := fleet.ParseHostID(text); err != nil {
		return "is neither an IP address nor a host id (a-z, 0-9, '.' and '-')"
	}
	return ""
}
