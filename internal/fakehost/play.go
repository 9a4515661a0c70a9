package fakehost

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Play says what a command does.
type Play func(o wire.StartOrder) Act

// Act is what a command does: it runs for a time and ends.
type Act struct {
	For            time.Duration // 0: it ends at once; less: not by itself
	Code           int32         // exit status
	Stdout, Stderr []byte
	NoFile         bool // it cannot be started: there is no such program
}

// Shell plays the few programs that tests use: true, false, echo, cat, sleep
// SECONDS, head -c N /dev/zero, and sh -c with one or several of echo, sleep and
// exit N, joined by "; ". The same words mean the same to a real host.
func Shell(o wire.StartOrder) Act {
	argv := o.Spec.Run.Argv
	if len(argv) == 0 { // a script
		return script(string(o.Script))
	}
	switch {
	case argv[0] == "sh" && len(argv) == 3:
		return script(argv[2])
	case argv[0] == "cat":
		return Act{Stdout: o.Stdin}
	case argv[0] == "head" && len(argv) == 4:
		n, _ := strconv.Atoi(argv[2])
		return Act{Stdout: make([]byte, n)}
	}
	return script(strings.Join(argv, " "))
}

func script(text string) Act {
	var a Act
	for line := range strings.SplitSeq(strings.TrimSpace(text), "; ") {
		word, rest, _ := strings.Cut(line, " ")
		to := &a.Stdout
		if plain, found := strings.CutSuffix(rest, " >&2"); found {
			to, rest = &a.Stderr, plain
		}
		switch word {
		case "true":
		case "false":
			a.Code = 1
		case "echo":
			*to = append(append(*to, rest...), '\n')
		case "sleep":
			seconds, _ := strconv.ParseFloat(rest, 64)
			a.For += time.Duration(seconds * float64(time.Second))
		case "exit":
			code, _ := strconv.Atoi(rest)
			a.Code = int32(code) //nolint:gosec // a test's own word
		default:
			return Act{NoFile: true}
		}
	}
	return a
}

// sigterm is the signal that ends what is ended from here.
const sigterm = 15

// begin starts an attempt that has been accepted. The caller holds mu.
func (h *Host) begin(c *command, o wire.StartOrder) {
	now := time.Now()
	if by := o.Spec.StartBy; !by.IsZero() && now.After(by) {
		h.settle(c, task.Expired, task.Exit{Reason: task.StartByPassed})
		return
	}
	h.starts[Attempt{c.ID, o.Attempt}]++
	act := h.play(o)
	if act.NoFile {
		h.settle(c, task.StartFailed, task.Exit{Reason: task.NoFile})
		return
	}
	c.Report.State, c.Detail.StartedAt = task.Running, now
	h.changed(c)
	run := o.Spec.Run
	late := run.Timeout > 0 && (act.For < 0 || act.For > run.Timeout)
	killed := late && !run.ReportOnly
	finish := func() {
		c.write(act, run.Keep)
		switch {
		case killed:
			h.settle(c, task.TimedOut, task.Exit{Reason: task.Timeout, Signal: sigterm})
		case act.Code != 0:
			h.settle(c, task.Failed, task.Exit{Code: act.Code})
		default:
			h.settle(c, task.Succeeded, task.Exit{})
		}
	}
	wait := act.For
	if killed {
		wait = run.Timeout
	} else if late {
		h.showOverdue(c, run.Timeout)
	}
	switch {
	case wait == 0:
		finish()
	case wait > 0:
		var end *time.Timer
		end = time.AfterFunc(wait, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if c.end == end { // it was not halted meanwhile
				finish()
			}
		})
		c.end = end
	}
}

// write keeps what a command wrote, up to the limit: the beginning and the end.
func (c *command) write(a Act, keep uint64) {
	for i, content := range [][]byte{a.Stdout, a.Stderr} {
		if len(c.said[i]) > 0 {
			content = slices.Concat(c.said[i], content)
		}
		c.said[i] = content
		ref, kept := job.OutputRef{Stream: job.Stream(i + 1), Size: uint64(len(content))}, content
		if ref.Size > keep {
			ref.Size, ref.Cut, ref.Tail = keep, ref.Size-keep, keep/2
			kept = slices.Concat(content[:keep-keep/2], content[uint64(len(content))-keep/2:])
		}
		if len(kept) > 0 {
			ref.Digest = sha256.Sum256(kept)
		}
		c.outputs[i] = bytes.Clone(kept)
		c.Detail.Outputs = append(c.Detail.Outputs, ref)
	}
}

// settle gives the command its outcome. The caller holds mu.
func (h *Host) settle(c *command, state task.State, exit task.Exit) {
	c.end = nil
	c.Report.State, c.Report.Exit, c.Detail.EndedAt, c.Detail.Overdue = state, exit, time.Now(), false
	h.changed(c)
}
