package limits

import (
	"fmt"
	"strings"
	"time"
)

// sections are the parts of the page: what stands above a table.
var sections = []struct {
	title string
	rows  func() []Limit
}{
	{"Access", accessLimits},
	{"Scheduler and job store", schedulerLimits},
	{"Scheduler to aggregator", meshLimits},
	{"Aggregator", aggregatorLimits},
	{"Host", hostLimits},
	{"Issuer", issuerLimits},
	{"Sizes of what users and hosts say", inputLimits},
	{"Every process", processLimits},
}

// Page is docs/limits.md.
func (s *Source) Page() (string, error) {
	var b strings.Builder
	b.WriteString(`# Limits

Generated from the table in internal/archtest/limits by ` + "`go test ./internal/archtest/limits -rewrite`" + `; do not edit.

Every queue, buffer, cache and disk spool of CCS has a limit, and what was accepted is never lost at one. What happens there is one of these:

| at the limit | means |
| --- | --- |
| refused | who brings more is told so, at the door, and what to do; nothing of it is kept |
| waits | back-pressure: who brings more waits, or is given no credit, until there is room |
| in parts | what is above comes in the next message, page or transaction |
| ended | the call, session or stream ends; the next one takes up what was accepted |
| renewed | what is dropped is a copy, or was only pushed: it is asked for, and comes, again |
| removed | what is done, and was kept to be looked at, goes, the oldest first |
| cut | it is made smaller, and stays right: words for people, credit beyond use, telemetry |
| a fault | another value of the configuration is refused at the start |

Who stalls costs a bounded part, and nobody else waits for him: a **viewer** that reads nothing is sent away after 30 s by access and scheduler, which hold for
all viewers together, and for one user, no more than below; an **agent** or a **scheduler** that reads nothing has its session or stream ended after
` + "`send_timeout`" + `; an **aggregator** that reads nothing after 30 s.

A key is one of the configuration (its value is the default); what has no key is fixed. Each limit has a test that fills it: it is named in the table, and
looked for by the check that makes this page.
`)
	defaults := map[string]Number{}
	for _, c := range Configs() {
		for _, n := range c.Numbers() {
			if strings.HasPrefix(c.At, "cmd/") {
				var err error
				if n.Value, err = s.Written(c.At, n.Field); err != nil {
					return "", err
				}
			}
			defaults[c.At+"."+n.Key] = n
		}
	}
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| what | limit | key or constant | at the limit | test |\n| --- | --- | --- | --- | --- |\n", section.title)
		for _, l := range section.rows() {
			value, err := s.shown(l, defaults)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", l.Of, value, place(l, defaults), l.answer(), strings.TrimPrefix(l.Test, l.At+"."))
		}
	}
	return b.String(), nil
}

// shown is the value of a limit for people.
func (s *Source) shown(l Limit, defaults map[string]Number) (string, error) {
	n, configured := defaults[l.At+"."+l.Name]
	value, isTime := n.Value, n.IsTime
	if !configured {
		var err error
		if value, isTime, err = s.Value(Dir(l.At), l.Name); err != nil {
			return "", err
		}
	}
	switch {
	case configured && value == 0:
		return "none", nil
	case isTime:
		return duration(time.Duration(value)), nil
	case l.Unit == "bytes":
		return bytes(value), nil
	}
	return grouped(value) + " " + l.Unit, nil
}

func place(l Limit, defaults map[string]Number) string {
	if _, configured := defaults[l.At+"."+l.Name]; configured {
		return "**`" + l.Name + "`**"
	}
	return "`" + strings.TrimPrefix(l.At, "tier/") + "." + l.Name + "`"
}

func (l Limit) answer() string {
	if l.How == "" {
		return string(l.Full)
	}
	return string(l.Full) + ": " + l.How
}

func duration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return d.String()
}

func bytes(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%(unit.size/2) == 0 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") + " " + unit.name
		}
	}
	return grouped(n) + " bytes"
}

// grouped writes a number with a comma between thousands.
func grouped(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return grouped(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
