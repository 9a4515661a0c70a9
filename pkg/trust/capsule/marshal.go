package capsule

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Versions of a payload: its first byte. The second has extensions, at least
// one; so a payload has one encoding, and hosts that know only the first go on
// with all that does not need more.
const (
	version  = 1
	extended = 2
)

// Marshal is the payload in the form that is signed. It refuses what Parse
// would refuse, and so is its exact inverse; its error wraps ErrMalformed.
func (p Payload) Marshal() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 512+len(p.Token)+len(p.Command.Script)+len(p.Command.Stdin)))
	more := p.Command.extensions()
	if len(more) == 0 {
		b.AddUint8(version)
	} else {
		b.AddUint8(extended)
	}
	b.AddBytes(p.JobID[:])
	add8(b, p.Account)
	add8(b, p.Class)
	add16(b, p.Selector)
	b.AddBytes(p.Root[:])
	b.AddUint64(p.Count)
	b.AddUint64(fromTime(p.NotBefore))
	b.AddUint64(fromTime(p.NotAfter))
	b.AddUint64(fromTime(p.RerunUntil))
	if p.Parent.IsZero() {
		add8(b, "")
	} else {
		add8(b, p.Parent[:])
	}
	add16(b, p.Token)
	p.Command.marshal(b)
	addExtensions(b, more)
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w capsule: %w", ErrMalformed, err)
	}
	if len(out) > MaxPayload {
		return nil, fmt.Errorf("%w capsule: %d bytes with script and stdin, at most %d are allowed", ErrMalformed, len(out), MaxPayload)
	}
	return out, nil
}

func (c Command) marshal(b *cryptobyte.Builder) {
	b.AddUint8(uint8(c.Kind))
	switch c.Kind {
	case Ping: // nothing that a process would need
	case Argv:
		addList(b, c.Argv)
		c.marshalProcess(b)
	case Script:
		addList(b, c.Interpreter)
		add24(b, c.Script)
		c.marshalProcess(b)
	}
	b.AddUint64(uint64(c.Timeout)) //nolint:gosec // not negative: validated
	b.AddUint8(uint8(c.TimeoutAction))
	b.AddUint64(uint64(c.Grace)) //nolint:gosec // as above
	b.AddUint8(uint8(c.Recovery))
	b.AddUint16(c.MaxAttempts)
}

func (c Command) marshalProcess(b *cryptobyte.Builder) {
	addList(b, c.Env)
	add16(b, c.Cwd)
	add24(b, c.Stdin)
	add8(b, c.RunAs)
	b.AddUint64(c.Limits.OutputBytes)
	b.AddUint64(c.Limits.MemoryBytes)
	b.AddUint32(c.Limits.CPUMillis)
	b.AddUint32(c.Limits.PIDs)
	b.AddUint32(c.Limits.OpenFiles)
}

func add8[T string | []byte](b *cryptobyte.Builder, v T) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
}

func add16[T string | []byte](b *cryptobyte.Builder, v T) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
}

func add24[T string | []byte](b *cryptobyte.Builder, v T) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
}

// addList adds a vector of texts, each with three bytes of length.
func addList(b *cryptobyte.Builder, texts []string) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, s := range texts {
			add24(b, s)
		}
	})
}
