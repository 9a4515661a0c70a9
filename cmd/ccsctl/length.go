package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// length is a flag: a time from now, or how long something takes. Zero is refused:
// to some people it means never, to others at once, and to the servers that nothing
// was said.
type length struct{ of *time.Duration }

// Set takes it; what is wrong with a time is tidied in final.
func (l length) Set(value string) error {
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return err
	case d <= 0:
		return errors.New("give a time above 0, such as 90s or 1h30m, or leave the flag out")
	}
	*l.of = d
	return nil
}

// String is the time; empty for none, so that help shows no default.
func (l length) String() string {
	if l.of == nil || *l.of == 0 {
		return ""
	}
	return timeText(*l.of)
}

// Type is not shown: the flag names its value.
func (l length) Type() string { return "duration" }

func timeVar(f *pflag.FlagSet, of *time.Duration, name, usage string) { f.Var(length{of}, name, usage) }

// timeText is a time as one would type it, such as 24h or 1h30m.
func timeText(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}
