package capsule

import (
	"golang.org/x/crypto/cryptobyte"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// extensionType says what an extension of a version 2 payload sets. A type that
// is not known here is refused: none may be passed over, for all say how
// carefully a command is to be run.
type extensionType uint16

// The extensions, in the order in which they stand.
const (
	extUmask            extensionType = 1 // uint16
	extRlimits          extensionType = 2 // at least one of {uint8 resource; uint64 value}
	extOOMScoreAdj      extensionType = 3 // uint16, not 0
	extLeaveDescendants extensionType = 4 // empty
)

type extension struct {
	kind extensionType
	data []byte
}

// extensions is what version 1 cannot say, ascending by type.
func (c Command) extensions() (all []extension) {
	add := func(kind extensionType, b *cryptobyte.Builder) {
		all = append(all, extension{kind, b.BytesOrPanic()}) // no bound is set, so none is passed
	}
	if c.Umask != nil {
		var b cryptobyte.Builder
		b.AddUint16(uint16(*c.Umask)) //nolint:gosec // at most 0777: validated
		add(extUmask, &b)
	}
	if len(c.Rlimits) > 0 {
		var b cryptobyte.Builder
		for _, l := range c.Rlimits {
			b.AddUint8(uint8(l.Resource))
			b.AddUint64(l.Value)
		}
		add(extRlimits, &b)
	}
	if c.OOMScoreAdj != 0 {
		var b cryptobyte.Builder
		b.AddUint16(c.OOMScoreAdj)
		add(extOOMScoreAdj, &b)
	}
	if c.LeaveDescendants {
		add(extLeaveDescendants, &cryptobyte.Builder{})
	}
	return all
}

func addExtensions(b *cryptobyte.Builder, all []extension) {
	if len(all) == 0 {
		return
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, e := range all {
			b.AddUint16(uint16(e.kind))
			add16(b, e.data)
		}
	})
}

// extensions reads what follows in version 2.
func (r *reader) extensions(c *Command) {
	all := reader{s: r.vec16("extensions"), err: r.err}
	if r.err == nil && all.s.Empty() {
		r.fail("version %d without an extension, which is version %d", extended, version)
	}
	for last := extensionType(0); all.err == nil && !all.s.Empty(); {
		var kind uint16
		all.need(all.s.ReadUint16(&kind), "the type of an extension")
		data := all.vec16("an extension")
		if all.err == nil && extensionType(kind) <= last {
			all.fail("extension %d comes after %d", kind, last)
		}
		last = extensionType(kind)
		if all.err == nil {
			all.extension(c, last, data)
		}
	}
	if r.err == nil && all.err != nil {
		r.fail("%w", all.err)
	}
}

func (r *reader) extension(c *Command, kind extensionType, data cryptobyte.String) {
	in := reader{s: data}
	switch kind {
	case extUmask:
		umask := uint32(in.u16("umask"))
		c.Umask = &umask
	case extRlimits:
		c.Rlimits = in.rlimits()
	case extOOMScoreAdj:
		if c.OOMScoreAdj = in.u16("oom-score-adj"); in.err == nil && c.OOMScoreAdj == 0 {
			in.fail("oom-score-adj is 0, which is said by leaving it out")
		}
	case extLeaveDescendants:
		c.LeaveDescendants = true
	default:
		in.fail("extension %d is not known here", kind)
	}
	if in.err == nil && !in.s.Empty() {
		in.fail("%d bytes follow the end of extension %d", len(in.s), kind)
	}
	if in.err != nil {
		r.fail("%w", in.err)
	}
}

func (r *reader) rlimits() (limits []task.Rlimit) {
	for more := true; more && r.err == nil; more = !r.s.Empty() {
		limits = append(limits, task.Rlimit{Resource: task.Resource(r.u8("an rlimit")), Value: r.u64("an rlimit")})
	}
	return limits
}

func (r *reader) u16(what string) (v uint16) {
	r.need(r.s.ReadUint16(&v), what)
	return v
}
