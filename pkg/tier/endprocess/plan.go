package endprocess

import (
	"strconv"
	"strings"
	"syscall"
)

// plan is what a stage is told: everything between a fork and the program.
type plan struct {
	argv, env []string // argv[0] is a path
	dir       string
	limits    []kernelLimit
	who       *syscall.Credential // nil: who we are
}

// encode writes the plan as texts with a NUL behind each; no text of a command
// has one in it.
func (p plan) encode() []byte {
	var b []byte
	text := func(texts ...string) {
		for _, s := range texts {
			b = append(append(b, s...), 0)
		}
	}
	number := func(n uint64) { text(strconv.FormatUint(n, 10)) }
	list := func(texts []string) {
		number(uint64(len(texts)))
		text(texts...)
	}
	list(p.argv)
	list(p.env)
	text(p.dir)
	number(uint64(len(p.limits)))
	for _, l := range p.limits {
		number(uint64(l.which))
		number(l.value)
	}
	if p.who != nil {
		number(uint64(p.who.Uid))
		number(uint64(p.who.Gid))
		for _, g := range p.who.Groups {
			number(uint64(g))
		}
	}
	return b
}

// decodePlan reads a plan; false: it is none.
func decodePlan(data []byte) (p plan, ok bool) {
	r := planReader{rest: strings.Split(string(data), "\x00")}
	r.rest = r.rest[:len(r.rest)-1] // nothing stands behind the last NUL
	p.argv, p.env = r.list(), r.list()
	p.dir = r.text()
	for n := r.count(); n > 0; n-- {
		p.limits = append(p.limits, kernelLimit{int(r.number(31)), r.number(64)})
	}
	if len(r.rest) > 0 {
		p.who = &syscall.Credential{Uid: uint32(r.number(32)), Gid: uint32(r.number(32))}
	}
	for len(r.rest) > 0 {
		p.who.Groups = append(p.who.Groups, uint32(r.number(32)))
	}
	return p, !r.bad && len(p.argv) > 0
}

type planReader struct {
	rest []string
	bad  bool
}

func (r *planReader) text() (s string) {
	if len(r.rest) == 0 {
		r.bad = true
		return ""
	}
	s, r.rest = r.rest[0], r.rest[1:]
	return s
}

func (r *planReader) number(bits int) uint64 {
	n, err := strconv.ParseUint(r.text(), 10, bits)
	r.bad = r.bad || err != nil
	return n
}

// count is a number of things that follow, each of at least one text.
func (r *planReader) count() int {
	n := r.number(31)
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *planReader) list() []string {
	n := r.count()
	texts := r.rest[:n:n]
	r.rest = r.rest[n:]
	return texts
}
