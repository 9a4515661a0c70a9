package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ccs-project/ccs/pkg/client"
)

// The documents of -o json and -o yaml. Their fields are kept: scripts read
// them.

type resultsDocument struct {
	Job   jobDocument    `json:"job"`
	Tasks []taskDocument `json:"tasks"`
}

type jobDocument struct {
	ID              string         `json:"id"`
	State           string         `json:"state"`
	Command         string         `json:"command"`
	Settings        string         `json:"settings,omitempty"` // how it is run, for a person
	Selector        string         `json:"selector,omitempty"`
	Note            string         `json:"note,omitempty"`
	Submitter       string         `json:"submitter"`
	Account         string         `json:"account,omitempty"`
	Class           string         `json:"class"`
	Pool            string         `json:"pool"`
	Targets         int            `json:"targets"`
	InFlight        int            `json:"in_flight"`
	Counts          map[string]int `json:"counts"`
	Concurrency     int            `json:"concurrency,omitempty"`
	ConcurrencyPct  int            `json:"concurrency_percent,omitempty"`
	Rollout         *rolloutPart   `json:"rollout,omitempty"` // as requested; besides the concurrency
	Released        int            `json:"released"`
	Batch           int            `json:"batch"`
	Batches         int            `json:"batches"`
	PauseCause      string         `json:"pause_cause,omitempty"` // user, point or budget
	Quarantine      string         `json:"quarantine,omitempty"`  // why it is set aside, for a person
	PausedSince     time.Time      `json:"paused_since,omitzero"`
	Wish            string         `json:"wish,omitempty"` // for what is released, once the job is canceled: withdraw or stop
	NextPauseAfter  int            `json:"next_pause_after,omitempty"`
	NextPauseBatch  int            `json:"next_pause_after_batch,omitempty"`
	Bad             *int           `json:"bad,omitempty"`       // with a failure budget
	Tolerates       *int           `json:"tolerates,omitempty"` // likewise
	CreatedAt       time.Time      `json:"created_at,omitzero"`
	StartBy         time.Time      `json:"start_by,omitzero"`
	Deadline        time.Time      `json:"deadline,omitzero"`
	DoneAt          time.Time      `json:"done_at,omitzero"`
	Revision        uint64         `json:"revision"`
	ControlRevision uint64         `json:"control_revision"`
	ParentID        string         `json:"parent_id,omitempty"` // of a retry
}

func (a *app) jobDocument(j client.Job) jobDocument {
	d := jobDocument{
		ID: j.ID, State: j.State, Command: j.Command, Settings: j.Settings, Selector: j.Selector, Note: j.Note, Submitter: j.Submitter, Account: j.Account,
		Class: j.Class, Pool: j.Pool, Targets: j.Targets, InFlight: j.InFlight, Counts: j.Counts,
		Concurrency: int(j.Concurrency.Count), ConcurrencyPct: int(j.Concurrency.Percent),
		Rollout: rolloutOf(j), Released: j.Released, Batch: j.Batch, Batches: j.Batches, PauseCause: j.PauseCause, Quarantine: j.Quarantine,
		PausedSince:    a.when(j.PausedAt),
		NextPauseAfter: j.NextPauseAfter, NextPauseBatch: j.NextPauseAfterBatch,
		CreatedAt: a.when(j.CreatedAt), StartBy: a.when(j.StartBy), Deadline: a.when(j.Deadline), DoneAt: a.when(j.DoneAt),
		Revision: j.Revision, ControlRevision: j.ControlRevision, ParentID: j.ParentID,
	}
	if j.Wish != wishRun {
		d.Wish = j.Wish
	}
	if j.MaxFailures != nil {
		d.Bad, d.Tolerates = &j.Bad, &j.Tolerates
	}
	return d
}

// rolloutPart is what was typed: amounts are such as "3" or "25%".
type rolloutPart struct {
	Order            string   `json:"order"` // as_listed or spread_rooms
	Batches          []string `json:"batches,omitempty"`
	PauseAfter       []uint32 `json:"pause_after,omitempty"`
	PauseAfterBatch  []uint32 `json:"pause_after_batch,omitempty"`
	WaitOfflineInSec float64  `json:"wait_offline_seconds,omitempty"` // with batches
	MaxFailures      string   `json:"max_failures,omitempty"`
	OnFailure        string   `json:"on_failure,omitempty"` // pause or abort, with max_failures
	Tolerated        []string `json:"tolerated,omitempty"`
}

// rolloutOf is nil where all targets are released at once, or as many as the
// concurrency lets.
func rolloutOf(j client.Job) *rolloutPart {
	p := rolloutPart{Order: "as_listed", PauseAfter: j.PauseAfter, PauseAfterBatch: j.PauseAfterBatches, Tolerated: j.Tolerated}
	if j.Order == client.SpreadRooms {
		p.Order = "spread_rooms"
	}
	for _, size := range j.BatchSizes {
		p.Batches = append(p.Batches, amountText(size.Count, size.Percent))
	}
	if len(p.Batches) > 0 {
		p.WaitOfflineInSec = cmp.Or(j.WaitOffline, defaultWaitOffline).Seconds()
	}
	if b := j.MaxFailures; b != nil {
		p.MaxFailures, p.OnFailure = amountText(b.Count, b.Percent), onFailurePause
		if j.OnFailure == client.AbortOnFailure {
			p.OnFailure = onFailureAbort
		}
	}
	if p.Order == "as_listed" && len(p.Batches)+len(p.PauseAfter) == 0 && p.MaxFailures == "" {
		return nil
	}
	return &p
}

// amountText is such as "3" or "25%".
func amountText(count, percent uint32) string {
	if percent > 0 {
		return fmt.Sprintf("%d%%", percent)
	}
	return fmt.Sprint(count)
}

type taskDocument struct {
	Ordinal          int       `json:"ordinal"`
	Host             string    `json:"host"`
	Room             string    `json:"room"`
	State            string    `json:"state"`
	Reason           string    `json:"reason,omitempty"`
	Attempt          int       `json:"attempt"`
	ExitCode         *int      `json:"exit_code,omitempty"` // of SUCCEEDED and FAILED
	Signal           int       `json:"signal,omitempty"`
	Message          string    `json:"message,omitempty"`
	StartedAt        time.Time `json:"started_at,omitzero"`
	EndedAt          time.Time `json:"ended_at,omitzero"`
	Unreachable      bool      `json:"unreachable,omitempty"`
	UnreachableSince time.Time `json:"unreachable_since,omitzero"`
	Since            time.Time `json:"since,omitzero"` // in its state, while it is not settled
	Overdue          bool      `json:"overdue,omitempty"`
	Verified         *bool     `json:"verified,omitempty"` // with --verify: the host signed all this
	Stdout           *string   `json:"stdout,omitempty"`   // of run, where it is UTF-8
	StdoutBase64     *string   `json:"stdout_base64,omitempty"`
	StdoutError      string    `json:"stdout_error,omitempty"` // why it is not there
	StdoutSHA256     string    `json:"stdout_sha256,omitempty"`
	StdoutSize       uint64    `json:"stdout_size"`
	StdoutCut        uint64    `json:"stdout_cut,omitempty"`  // bytes that are not kept
	StdoutTail       uint64    `json:"stdout_tail,omitempty"` // of those kept, the bytes after the cut
	Stderr           *string   `json:"stderr,omitempty"`
	StderrBase64     *string   `json:"stderr_base64,omitempty"`
	StderrError      string    `json:"stderr_error,omitempty"`
	StderrSHA256     string    `json:"stderr_sha256,omitempty"`
	StderrSize       uint64    `json:"stderr_size"`
	StderrCut        uint64    `json:"stderr_cut,omitempty"`
	StderrTail       uint64    `json:"stderr_tail,omitempty"`
}

// unverifiedDocument is a task whose result is not what its host signed: nothing of
// it is to be used.
type unverifiedDocument struct {
	Ordinal      int    `json:"ordinal"`
	Host         string `json:"host"`
	Room         string `json:"room"`
	Verified     bool   `json:"verified"` // false
	ClaimedState string `json:"claimed_state"`
}

func (a *app) taskDocument(t client.Task) taskDocument {
	d := taskDocument{
		Ordinal: t.Ordinal, Host: t.Host, Room: t.Room, State: t.State, Reason: t.Reason, Attempt: t.Attempt,
		Signal: t.Signal, Message: t.Message, StartedAt: a.when(t.StartedAt), EndedAt: a.when(t.EndedAt),
		Unreachable: t.Unreachable, UnreachableSince: a.when(t.UnreachableSince), Since: a.when(t.Since), Overdue: t.Overdue,
		StdoutSHA256: t.Stdout.Digest, StdoutSize: t.Stdout.Size, StdoutCut: t.Stdout.Cut, StdoutTail: t.Stdout.Tail,
		StderrSHA256: t.Stderr.Digest, StderrSize: t.Stderr.Size, StderrCut: t.Stderr.Cut, StderrTail: t.Stderr.Tail,
	}
	if t.State == "SUCCEEDED" || t.State == "FAILED" && t.Signal == 0 {
		d.ExitCode = &t.ExitCode
	}
	return d
}

// textOrBase64 is an output as text, or where it is not UTF-8 in base64.
func textOrBase64(content []byte) (text, encoded *string) {
	if utf8.Valid(content) {
		s := string(content)
		return &s, nil
	}
	s := base64.StdEncoding.EncodeToString(content)
	return nil, &s
}

type hostDocument struct {
	ID          string            `json:"id"`
	Address     string            `json:"address"`
	Room        string            `json:"room"`
	Attached    bool              `json:"attached"`
	Since       time.Time         `json:"since,omitzero"` // attached or away
	Aggregator  string            `json:"aggregator,omitempty"`
	Labels      map[string]string `json:"labels"`
	Facts       map[string]string `json:"facts"`
	KeyState    string            `json:"key_state"`
	Incarnation string            `json:"incarnation"`
}

func (a *app) hostDocument(h client.Host) hostDocument {
	return hostDocument{
		ID: h.ID, Address: h.Address, Room: h.Room, Attached: h.Attached, Since: a.when(h.Since), Aggregator: h.Aggregator,
		Labels: nonNil(h.Labels), Facts: nonNil(h.Facts), KeyState: h.KeyState, Incarnation: h.Incarnation,
	}
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
