package hosttorture

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// seen is what the witness has seen of a command.
type seen struct {
	begun []string // attempts
	ends  []string // attempts with their exit status
}

// struck is what happened to a command from outside.
type struck struct {
	ended    bool // its end-process was killed
	rebooted bool // the power was lost while it lived
}

// struckAt says what the killer did to a command.
func (k *killer) struckAt(w *work) struck {
	s := struck{ended: k.ended[w.id]}
	for _, at := range k.reboots {
		s.rebooted = s.rebooted || at.After(w.from) && at.Before(w.to.Add(time.Second))
	}
	return s
}

// world reads what the witness has seen.
func (w *work) world() (saw seen, err error) {
	raw, err := os.ReadFile(w.witness)
	for line := range strings.Lines(string(raw)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "begin":
			saw.begun = append(saw.begun, rest)
		case "end":
			saw.ends = append(saw.ends, rest)
		default:
			return saw, fmt.Errorf("the witness says %q", line)
		}
	}
	return saw, err
}

// judge says what is wrong about the end of a command.
func (w *work) judge(s struck) []string {
	saw, err := w.world()
	if err != nil {
		return []string{err.Error()}
	}
	var faults []string
	fault := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, fmt.Sprintf("%s: it ended %s at attempt %d (%s), struck %+v, and the world has seen %+v",
				text, rig.Word(w.task), w.task.Attempt, w.task.Message, s, saw))
		}
	}
	fault(repeats(saw.begun), "an attempt was started twice")
	fault(!w.rerun && len(saw.begun) > 1, "it was started twice")
	fault(w.rerun && len(saw.begun) > 1 && !s.ended && !s.rebooted, "it was started again without need")
	fault(w.task.Reason == "before_start" && slices.Contains(saw.begun, fmt.Sprint(w.task.Attempt)), "it began")
	fault(missesOutput(w.task) && !s.ended && !s.rebooted, "nothing has taken its output away")
	switch t := w.task; {
	case t.State == "LOST" && t.Reason == "rebooted":
		fault(!s.rebooted, "nobody rebooted the host")
		fault(w.rerun, "it was to be started again")
	case t.State == "LOST" && t.Reason == "supervisor_lost":
		fault(!s.ended, "nobody killed its end-process")
		fault(w.rerun, "it was to be started again")
	case t.State == "START_FAILED" && w.want.state != t.State:
		fault(!s.ended || len(saw.begun) > 0, "it could have been started")
	case t.State == "SKIPPED" && w.cancel != "":
		fault(len(saw.begun) > 0, "it began")
	default:
		fault(t.State != w.want.state || w.want.reason != "" && t.Reason != w.want.reason ||
			t.ExitCode != w.want.exit || t.State == "FAILED" && t.Signal != w.want.signal, "it should be "+w.want.state+" "+w.want.reason)
		w.compare(saw, fault)
	}
	return faults
}

// compare holds an outcome that was to be expected against what was seen.
func (w *work) compare(saw seen, fault func(bool, string)) {
	last := fmt.Sprint(w.task.Attempt)
	begun := len(saw.begun) > 0 && saw.begun[len(saw.begun)-1] == last
	fault(w.want.begun && !begun, "it never began")
	fault(!w.want.begun && begun && w.cancel == "", "it began")
	ended := len(saw.ends) > 0 && saw.ends[len(saw.ends)-1] == fmt.Sprint(last, " ", w.want.exit)
	fault(w.want.ended != ended, "its end is another")
	if missesOutput(w.task) {
		return
	}
	for i, digest := range [2]string{w.task.Stdout.Digest, w.task.Stderr.Digest} {
		fault(w.want.out[i] != "" && w.want.out[i] != digest, fmt.Sprintf("output %d is another", i+1))
	}
}

// missesOutput reports whether the outcome owns up to a loss.
func missesOutput(t client.Task) bool { return strings.Contains(t.Message, "output may be missing") }

func repeats(words []string) bool {
	known := map[string]bool{}
	for _, word := range words {
		if known[word] {
			return true
		}
		known[word] = true
	}
	return false
}
