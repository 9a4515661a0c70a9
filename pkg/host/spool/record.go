package spool

import (
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// ErrDamaged says that a record is not what this package writes: torn, edited,
// or of a version that this program does not know.
var ErrDamaged = errors.New("the record is damaged")

// Bounds of what is read as a record. A specification is the longest: 128 KiB
// of arguments, each byte quoted by four or each argument an empty line of its
// own.
const (
	maxRecord = 1 << 20
	maxSpec   = 4 << 20
)

// errUnreadable says that a record would not be read back as it is meant: its
// caller gave something that cannot be written down.
var errUnreadable = errors.New("it cannot be written so that it can be read again")

// verify proves that what is to be written says what is meant. again encodes
// what is read back from it.
func verify(data []byte, limit int, again func(data []byte) ([]byte, error)) error {
	if len(data) > limit {
		return errUnreadable
	}
	if back, err := again(data); err != nil || string(back) != string(data) {
		return errUnreadable
	}
	return nil
}

// parts cuts a file of several records into them. Each has a sum of its own, so
// that damage to one leaves the others.
func parts(data []byte) [][]byte {
	var all [][]byte
	begin := 0
	for at := range data {
		if at > begin && data[at-1] == '\n' && strings.HasPrefix(string(data[at:min(at+len(opening), len(data))]), opening) {
			all = append(all, data[begin:at])
			begin = at
		}
	}
	return append(all, data[begin:])
}

// opening begins the first line of every record.
const opening = `record="`

// field is one line.
type field struct{ key, value string }

// record is the lines between the first (its kind) and the last (its sum).
type record struct {
	kind   string
	fields []field
}

func newRecord(kind string) *record { return &record{kind: kind} }

func (r *record) text(key, value string) *record {
	r.fields = append(r.fields, field{key, value})
	return r
}

// opt adds the line only if it says something.
func (r *record) opt(key, value string) *record {
	if value == "" {
		return r
	}
	return r.text(key, value)
}

func (r *record) list(key string, values []string) *record {
	for _, v := range values {
		r.text(key, v)
	}
	return r
}

func (r *record) num(key string, n int64) *record { return r.text(key, strconv.FormatInt(n, 10)) }

func (r *record) size(key string, n uint64) *record { return r.text(key, strconv.FormatUint(n, 10)) }

// when adds a time; the zero time is left out.
func (r *record) when(key string, t time.Time) *record {
	if t.IsZero() {
		return r
	}
	return r.text(key, t.UTC().Format(time.RFC3339Nano))
}

func (r *record) flag(key string, on bool) *record {
	if !on {
		return r
	}
	return r.text(key, "yes")
}

// encode returns the bytes of the record.
func (r *record) encode() []byte {
	b := appendLine(nil, "record", r.kind+"/1")
	for _, f := range r.fields {
		b = appendLine(b, f.key, f.value)
	}
	return appendLine(b, "sum", checksum(b))
}

func appendLine(b []byte, key, value string) []byte {
	b = append(append(b, key...), '=')
	return append(strconv.AppendQuote(b, value), '\n')
}

func checksum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 16)
}

// decode accepts exactly what encode makes of the kind.
func decode(kind string, data []byte) (*reader, error) {
	text := string(data)
	if !strings.HasSuffix(text, "\n") {
		return nil, ErrDamaged
	}
	last := strings.LastIndexByte(text[:len(text)-1], '\n') + 1
	sum, ok := parseLine(text[last : len(text)-1])
	if !ok || sum != (field{"sum", checksum(data[:last])}) {
		return nil, ErrDamaged
	}
	r := &reader{values: map[string][]string{}}
	for line := range strings.Lines(text[:last]) {
		f, ok := parseLine(strings.TrimSuffix(line, "\n"))
		if !ok {
			return nil, ErrDamaged
		}
		r.values[f.key] = append(r.values[f.key], f.value)
	}
	if r.text("record") != kind+"/1" || r.failed {
		return nil, ErrDamaged
	}
	return r, nil
}

func parseLine(line string) (field, bool) {
	key, quoted, ok := strings.Cut(line, "=")
	if !ok || key == "" {
		return field{}, false
	}
	value, err := strconv.Unquote(quoted)
	if err != nil || strconv.Quote(value) != quoted {
		return field{}, false
	}
	return field{key, value}, true
}

// reader takes the fields of a record and remembers the first that is wrong.
type reader struct {
	values map[string][]string
	failed bool
}

func (r *reader) list(key string) []string {
	values := r.values[key]
	delete(r.values, key)
	return values
}

// opt returns the only value of the key, or "".
func (r *reader) opt(key string) string {
	values := r.list(key)
	if len(values) > 1 {
		r.failed = true
	}
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// has reports whether there is such a line.
func (r *reader) has(key string) bool { return len(r.values[key]) > 0 }

// text returns the only value of the key, which must be there.
func (r *reader) text(key string) string {
	if len(r.values[key]) == 0 {
		r.failed = true
	}
	return r.opt(key)
}

func (r *reader) num32(key string) int32 {
	n, err := strconv.ParseInt(r.text(key), 10, 32)
	r.failed = r.failed || err != nil
	return int32(n)
}

func (r *reader) uint32(key string) uint32 {
	n, err := strconv.ParseUint(r.text(key), 10, 32)
	r.failed = r.failed || err != nil
	return uint32(n)
}

func (r *reader) size(key string) uint64 {
	n, err := strconv.ParseUint(r.text(key), 10, 64)
	r.failed = r.failed || err != nil
	return n
}

func (r *reader) when(key string) time.Time {
	text := r.opt(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	r.failed = r.failed || err != nil
	return t
}

func (r *reader) flag(key string) bool {
	text := r.opt(key)
	r.failed = r.failed || text != "" && text != "yes"
	return text == "yes"
}

// done reports damage if anything was wrong or was not asked for.
func (r *reader) done() error {
	if r.failed || len(r.values) > 0 {
		return ErrDamaged
	}
	return nil
}
