package job

import (
	"strings"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Trial is what a job has done to those who owned it. The shell of its owner
// keeps it; a machine carries it and looks at none of it.
type Trial struct {
	// Crashes is how often it made its shard panic.
	Crashes uint8 `json:",omitzero"`
	// Deaths is how many processes in a row died while they had nothing in hand
	// but this job. It is written before the job is taken in hand, and taken back
	// with what came of that: who finds it knows that nobody came so far.
	Deaths uint8 `json:",omitzero"`
	// Unproven says that an owner has loaded the job and not lived with it for
	// long. Who loads it next and still finds this knows that the owner died.
	Unproven bool `json:",omitzero"`
	// Was is the state in which it was set aside; zero unless it is.
	Was State `json:",omitzero"`
	// Why says for a person what it did the last time, or why else it was set
	// aside; at most 1 KiB. Empty: nothing is known against it.
	Why string `json:",omitzero"`
}

// crashesToQuarantine is how much a job may do to its owners.
const crashesToQuarantine = 2

// Condemned reports whether the job is to be set aside. A panic is certain; a
// death may have another cause, such as a kill -9 in the very moment, and counts
// only while no owner lives with the job.
func (t Trial) Condemned() bool { return int(t.Crashes)+int(t.Deaths) >= crashesToQuarantine }

// Proven is what is left when an owner has lived with the job for long enough, or
// has given it back in good order.
func (t Trial) Proven() Trial {
	t.Deaths, t.Unproven = 0, false
	if t.Crashes == 0 {
		t.Why = ""
	}
	return t
}

// MaxWhy is the length of Trial.Why, in bytes.
const MaxWhy = 1024

// PutAside is the row of a job that is set aside, for a reason.
func (r Row) PutAside(why string) Row {
	if r.State != Quarantined {
		r.Trial.Was = r.State
	}
	r.State, r.Trial.Why = Quarantined, clip(why, MaxWhy)
	r.Revision++
	r.ControlRevision++
	return r
}

// Reinstated is the row of a job that an operator takes out of quarantine: it is
// in the state in which it was set aside, and nothing is known against it any
// more. ok is false of a job that is not set aside.
func (r Row) Reinstated() (_ Row, ok bool) {
	if r.State != Quarantined {
		return r, false
	}
	r.State = r.Trial.Was
	switch {
	case r.State != 0:
	case r.Wish == task.DesiredStop: // set aside by a release that did not keep it
		r.State = Stopping
	case r.Pause != NotPaused:
		r.State = Paused
	default:
		r.State = Running
	}
	r.Trial = Trial{}
	r.Revision++
	r.ControlRevision++
	return r, true
}

// clip is a text of at most so many bytes, in whole characters.
func clip(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	end := most - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
