package setup

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// What the store says of itself is for the log, and there once: a probe asks
// every few seconds, and each time the error is another.
func TestWhyAProcessIsNotReadyIsLoggedOnceForEachChange(t *testing.T) {
	var log bytes.Buffer
	h := newHealth(nil, slog.New(slog.NewTextHandler(&log, nil)))
	var why error
	asked := func(times int) {
		for range times {
			if reason := h.reason(t.Context()); strings.Contains(reason, "ccs.db") {
				t.Errorf("anybody is told %q", reason)
			}
		}
	}
	store := func(n int) error {
		return obs.Unready{Text: "the store cannot be written to", Err: fmt.Errorf("write /var/lib/ccs.db at %d", n)}
	}
	asked(3) // starting: nobody is to be told
	h.set(func() error { return why })
	for i := range 3 {
		why = store(i)
		asked(5)
	}
	why = nil
	asked(5)
	why = store(3)
	asked(5)
	why = errors.New("no shard map yet")
	asked(5)
	for words, want := range map[string]int{"process is not ready": 3, "process is ready": 1, "ccs.db at 0": 1, "ccs.db at 3": 1, "no shard map yet": 1} {
		if got := strings.Count(log.String(), words); got != want {
			t.Errorf("%q is there %d times, want %d:\n%s", words, got, want, log.String())
		}
	}
}
