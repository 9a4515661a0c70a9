package spool

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// sealed makes any bytes a record whose sum is right, so that what is fuzzed is
// not only the sum.
func sealed(body []byte) []byte {
	return appendLine(bytes.Clone(body), "sum", checksum(body))
}

// unsealed is a record without its last line.
func unsealed(data []byte) []byte {
	return data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1]
}

// parser reads a record and writes what it has read.
type parser func(data []byte) ([]byte, error)

// fuzzRecord holds a parser to this: whatever is on the disk, it does not fall
// over; what it does not take is damaged; and what it takes it means, so that
// what it writes of it is read as the same.
func fuzzRecord(f *testing.F, parse parser, seeds ...[]byte) {
	f.Helper()
	for _, seed := range seeds {
		f.Add(unsealed(seed))
		f.Add(seed[:len(seed)/2])
		f.Add(bytes.ReplaceAll(seed, []byte("1"), []byte("-1")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, data := range [][]byte{body, sealed(body)} {
			keeps(t, parse, data)
		}
	})
}

func keeps(t *testing.T, parse parser, data []byte) {
	t.Helper()
	written, err := parse(data)
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", data, err)
		}
		return
	}
	again, err := parse(written)
	if err != nil || !bytes.Equal(again, written) {
		t.Errorf("%q is read as %q, and that as %q, %v", data, written, again, err)
	}
}

var (
	someone = proc.Identity{Boot: "b", PID: 7, Start: 9}
	outcome = Outcome{
		State: task.Failed, Exit: task.Exit{Code: 3}, Started: time.Unix(5, 1).UTC(), Ended: time.Unix(6, 0).UTC(),
		Kept: [2]uint64{1, 2}, Cut: [2]uint64{0, 3}, Leftovers: 1, Overdue: true, Message: "what\n\"else\"",
	}
)

func FuzzAttempt(f *testing.F) {
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		a, err := decodeAttempt(data)
		return a.encode(), err
	}, Attempt{At: time.Unix(1, 0), Supervisor: someone, Mark: "m"}.encode(), Attempt{Decided: outcome}.encode())
}

func FuzzStarted(f *testing.F) {
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		s, err := decodeStarted(data)
		return s.encode(), err
	}, Started{Leader: someone, At: time.Unix(1, 0)}.encode())
}

func FuzzOutcome(f *testing.F) {
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		o, err := decodeOutcome(data)
		return o.encode(), err
	}, outcome.encode(), lost.encode())
}

func FuzzAcceptance(f *testing.F) {
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		a, err := decodeAcceptance(data)
		return a.encode(), err
	}, Acceptance{StartBy: time.Unix(1, 0), Context: []byte{0, 255}}.encode())
}

func FuzzTomb(f *testing.F) {
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		t, err := decodeTomb("a", data)
		return t.encode(), err
	}, Tomb{ID: "a", Released: true, RememberUntil: time.Unix(1, 0)}.once(),
		Tomb{ID: "a", Attempt: 1, Outcome: outcome, Context: []byte("c")}.once())
}

// A specification is three records; each part is fuzzed with a right sum and the
// others whole.
func FuzzSpec(f *testing.F) {
	spec := Spec{
		ID: "a", SlotGroup: "g", Accepted: time.Unix(1, 0), StartBy: time.Unix(2, 0), RememberUntil: time.Unix(3, 0), Context: []byte{0},
		Run: Run{
			Interpreter: []string{"sh"}, Env: []string{"A=b"}, Dir: "/", Account: "nobody", Keep: 1, Timeout: time.Second,
			Grace: time.Minute, ReportOnly: true, Script: Attach([]byte("x")), Stdin: Attach([]byte("y")),
		},
	}
	whole := parts(spec.encode())
	head, run := whole[0], whole[1]
	f.Add(unsealed(head), unsealed(run))
	f.Add(unsealed(run), unsealed(head))
	f.Add([]byte(opening), []byte(nil))
	parse := func(data []byte) ([]byte, error) {
		s, err := decodeSpec(data)
		return s.encode(), err
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		first, second = sealed(first), sealed(second)
		for _, data := range [][]byte{first, bytes.Join([][]byte{first, run, head}, nil), bytes.Join([][]byte{first, second, first}, nil)} {
			keeps(t, parse, data)
		}
	})
}

func FuzzIncarnation(f *testing.F) {
	encode := func(id [16]byte) []byte { return newRecord("incarnation").text("id", hexID(id)).encode() }
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		id, err := decodeIncarnation(data)
		return encode(id), err
	}, encode([16]byte{1, 2}))
}

func FuzzSessions(f *testing.F) {
	encode := func(next uint64) []byte { return newRecord("sessions").size("next", next).encode() }
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		next, err := decodeSessions(data)
		return encode(next), err
	}, encode(5))
}

func FuzzWatermark(f *testing.F) {
	encode := func(w time.Time) []byte { return newRecord("watermark").when("until", w).encode() }
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		w, err := decodeWatermark(data)
		return encode(w), err
	}, encode(time.Unix(1, 0)))
}

func FuzzDigest(f *testing.F) {
	encode := func(sums [2]string) []byte {
		return newRecord("digest").opt("stdout", sums[0]).opt("stderr", sums[1]).encode()
	}
	fuzzRecord(f, func(data []byte) ([]byte, error) {
		sums, err := decodeDigest(data)
		return encode(sums), err
	}, encode([2]string{"ab", "cd"}))
}
