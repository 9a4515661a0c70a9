package main

import (
	"fmt"
	"regexp"
	"time"
)

// stampLayout is how people read a time: with its zone, always.
const stampLayout = "2006-01-02 15:04:05 -0700"

// stamp is a time as people read it, in the zone in force; empty for none.
func (a *app) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(a.zone).Format(stampLayout)
}

// utcTime is a time in a sentence of the servers.
var utcTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// localized is a sentence of the servers with its times in the zone in force.
func (a *app) localized(text string) string {
	return utcTime.ReplaceAllStringFunc(text, func(found string) string {
		t, err := time.Parse(time.RFC3339, found)
		if err != nil {
			return found
		}
		return a.stamp(t)
	})
}

// when is a time of a document: RFC 3339 with the offset of the zone in force.
func (a *app) when(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(a.zone)
}

// span is a length of time in two figures that a person takes in, such as 1.5s,
// 2m5s or 3d4h.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return pair(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return pair(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
	return pair(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d%s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, smallName)
	}
	return text
}
