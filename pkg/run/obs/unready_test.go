package obs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

func TestWhoAsksIsToldTheReasonAndNotWhatIsBehindIt(t *testing.T) {
	raw := &fs.PathError{Op: "write", Path: "/var/lib/ccs/store/ccs.db", Err: errors.New("disk I/O error")}
	unready := obs.Unready{Text: "the store cannot be written to", Err: raw}
	sentinel := errors.New("no shard map yet")
	for _, c := range []struct {
		why  error
		told string
	}{
		{nil, ""},
		{sentinel, "no shard map yet"},
		{fmt.Errorf("it owns none of the %d shards that it should", 12), "it owns none of the 12 shards that it should"},
		{unready, "the store cannot be written to"},
		{obs.Unready{Text: "alone"}, "alone"},
		{errors.Join(unready, sentinel), "the store cannot be written to\nno shard map yet"},
		{obs.ErrDraining, "draining"},
		{fmt.Errorf("the keys are given back: %w", obs.ErrDraining), "draining"},
		{fmt.Errorf("something: %w", raw), "not ready; its log says why"},
		{errors.Join(sentinel, fmt.Errorf("something: %w", raw)), "no shard map yet\nnot ready; its log says why"},
		{raw, "not ready; its log says why"},
	} {
		if got := obs.Reason(c.why); got != c.told {
			t.Errorf("%v: %q, want %q", c.why, got, c.told)
		}
	}
	if got, want := unready.Error(), "the store cannot be written to: write /var/lib/ccs/store/ccs.db: disk I/O error"; got != want {
		t.Errorf("the log says %q, want %q", got, want)
	}
	if !errors.Is(unready, raw) || (obs.Unready{Text: "alone"}).Error() != "alone" {
		t.Error("what is behind it is lost, or something is that is not there")
	}
}
