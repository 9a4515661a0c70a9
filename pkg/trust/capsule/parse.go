package capsule

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Parse reads a payload. It is strict: what it accepts, Marshal gives back byte
// for byte. The result shares no memory with b. Its error wraps ErrMalformed.
func Parse(b []byte) (Payload, error) {
	if len(b) > MaxPayload {
		return Payload{}, fmt.Errorf("%w capsule: %d bytes, at most %d are allowed", ErrMalformed, len(b), MaxPayload)
	}
	r := reader{s: b}
	v := r.u8("version")
	if r.err == nil && v != version && v != extended {
		return Payload{}, fmt.Errorf("%w capsule: version %d is not known here, only %d and %d", ErrMalformed, v, version, extended)
	}
	var p Payload
	r.fixed("job id", p.JobID[:])
	p.Account = string(r.vec8("account"))
	p.Class = string(r.vec8("class"))
	p.Selector = string(r.vec16("selector"))
	r.fixed("root", p.Root[:])
	p.Count = r.u64("count")
	p.NotBefore = r.time("not-before", false)
	p.NotAfter = r.time("not-after", false)
	p.RerunUntil = r.time("rerun-until", true)
	if parent := r.vec8("parent"); len(parent) > 0 {
		if len(parent) != len(p.Parent) || allZero(parent) {
			r.fail("parent is not 16 bytes of a job id")
		}
		copy(p.Parent[:], parent)
	}
	p.Token = clone(r.vec16("token"))
	p.Command = r.command()
	if v == extended {
		r.extensions(&p.Command)
	}
	if r.err == nil && !r.s.Empty() {
		r.fail("%d bytes follow the end", len(r.s))
	}
	if r.err != nil {
		return Payload{}, fmt.Errorf("%w capsule: %w", ErrMalformed, r.err)
	}
	if err := p.Validate(); err != nil {
		return Payload{}, err
	}
	return p, nil
}

// reader keeps the first fault; after it every read gives zero.
type reader struct {
	s   cryptobyte.String
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.s = nil
}

func (r *reader) need(ok bool, what string) {
	if !ok {
		r.fail("cut off in %s", what)
	}
}

func (r *reader) command() (c Command) {
	c.Kind = Kind(r.u8("kind"))
	switch c.Kind {
	case Ping:
	case Argv:
		c.Argv = r.list("argv")
		r.process(&c)
	case Script:
		c.Interpreter = r.list("interpreter")
		c.Script = clone(r.vec24("script"))
		r.process(&c)
	default:
		r.fail("command kind %d is none of ping, argv, script", c.Kind)
	}
	c.Timeout = r.duration("timeout")
	c.TimeoutAction = TimeoutAction(r.u8("timeout action"))
	c.Grace = r.duration("grace")
	c.Recovery = Recovery(r.u8("recovery"))
	r.need(r.s.ReadUint16(&c.MaxAttempts), "max-attempts")
	return c
}

func (r *reader) process(c *Command) {
	c.Env = r.list("env")
	c.Cwd = string(r.vec16("cwd"))
	c.Stdin = clone(r.vec24("stdin"))
	c.RunAs = string(r.vec8("run-as"))
	c.Limits.OutputBytes = r.u64("output limit")
	c.Limits.MemoryBytes = r.u64("memory limit")
	r.need(r.s.ReadUint32(&c.Limits.CPUMillis), "cpu limit")
	r.need(r.s.ReadUint32(&c.Limits.PIDs), "pid limit")
	r.need(r.s.ReadUint32(&c.Limits.OpenFiles), "open file limit")
}

func (r *reader) u8(what string) (v uint8) {
	r.need(r.s.ReadUint8(&v), what)
	return v
}

func (r *reader) u64(what string) (v uint64) {
	r.need(r.s.ReadUint64(&v), what)
	return v
}

func (r *reader) fixed(what string, out []byte) { r.need(r.s.CopyBytes(out), what) }

func (r *reader) vec8(what string) (v cryptobyte.String) {
	r.need(r.s.ReadUint8LengthPrefixed(&v), what)
	return v
}

func (r *reader) vec16(what string) (v cryptobyte.String) {
	r.need(r.s.ReadUint16LengthPrefixed(&v), what)
	return v
}

func (r *reader) vec24(what string) (v cryptobyte.String) {
	r.need(r.s.ReadUint24LengthPrefixed(&v), what)
	return v
}

func (r *reader) list(what string) (texts []string) {
	for v := r.vec24(what); !v.Empty(); {
		var s cryptobyte.String
		if !v.ReadUint24LengthPrefixed(&s) {
			r.fail("cut off in %s", what)
			return nil
		}
		texts = append(texts, string(s))
	}
	return texts
}

func (r *reader) time(what string, optional bool) time.Time {
	v := r.u64(what)
	if optional && v == 0 {
		return time.Time{}
	}
	if v > math.MaxInt64 {
		r.fail("%s is not between 1970 and 2262", what)
		return time.Time{}
	}
	return time.Unix(0, int64(v)).UTC()
}

func (r *reader) duration(what string) time.Duration {
	v := r.u64(what)
	if v > math.MaxInt64 {
		r.fail("%s is too long", what)
		return 0
	}
	return time.Duration(v)
}

// clone gives nil for empty, so that equal payloads are deeply equal.
func clone(b []byte) []byte { return append([]byte(nil), b...) }

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
