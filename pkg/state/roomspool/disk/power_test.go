package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// power is a directory whose machine can lose its power: then what was not synced
// is lost, in part, and in any order. It also fails when it is told to.
type power struct {
	files map[string]*platter
	names map[string]*platter // durable names
	aside []string
	why   string

	calls int
	fail  func(call int) error // of a write or sync; nil: none fails
}

// platter is what is in a file, and what of it is durable.
type platter struct{ now, durable []byte }

type powerFile struct {
	of *power
	*platter
}

func newPower() *power { return &power{files: map[string]*platter{}, names: map[string]*platter{}} }

func (p *power) step() error {
	p.calls++
	if p.fail == nil {
		return nil
	}
	return p.fail(p.calls)
}

func (p *power) Names() ([]string, error) { return slices.Sorted(maps.Keys(p.files)), nil }

func (p *power) Open(name string) (file, error) {
	if f := p.files[name]; f != nil {
		return powerFile{p, f}, nil
	}
	return nil, fs.ErrNotExist
}

func (p *power) Create(name string) (file, error) {
	if err := p.step(); err != nil {
		return nil, err
	}
	p.files[name] = &platter{}
	return powerFile{p, p.files[name]}, nil
}

func (p *power) Remove(name string) error {
	if err := p.step(); err != nil {
		return err
	}
	delete(p.files, name)
	return nil
}

func (p *power) Sync() error {
	if err := p.step(); err != nil {
		return err
	}
	p.names = maps.Clone(p.files)
	return nil
}

func (p *power) Aside(names []string, reason string) error {
	for _, name := range names {
		delete(p.files, name)
	}
	p.aside, p.why = names, reason
	return p.Sync()
}

// lose takes the power away: draw says how much of what was not synced is there
// all the same, out of n.
func (p *power) lose(draw func(n int) int) *power {
	after := newPower()
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[name]
		if p.names[name] == nil && draw(1) == 0 {
			continue // the name was not durable
		}
		now := slices.Clone(f.durable)
		if more := len(f.now) - len(f.durable); more > 0 {
			now = append(now, f.now[len(f.durable):len(f.durable)+draw(more)]...)
			if rest := f.now[len(now):]; len(rest) > 0 && draw(1) == 1 { // later bytes came before earlier ones
				now = append(now, make([]byte, len(rest)/2)...)
				now = append(now, rest[len(rest)/2:]...)
			}
		}
		after.files[name] = &platter{now, slices.Clone(now)}
	}
	for _, name := range slices.Sorted(maps.Keys(p.names)) { // a name that was removed may be back
		if p.files[name] == nil && draw(1) == 1 {
			old := p.names[name]
			after.files[name] = &platter{slices.Clone(old.durable), slices.Clone(old.durable)}
		}
	}
	after.names = maps.Clone(after.files)
	return after
}

func (f powerFile) ReadAt(b []byte, at int64) (int, error) {
	return bytes.NewReader(f.now).ReadAt(b, at)
}

func (f powerFile) WriteAt(b []byte, at int64) (int, error) {
	failed, n := f.of.step(), len(b)
	if failed != nil {
		n /= 2 // a disk that is full takes some
	}
	if gap := int(at) + n - len(f.now); gap > 0 {
		f.now = append(f.now, make([]byte, gap)...)
	}
	copy(f.now[at:], b[:n])
	return n, failed
}

func (f powerFile) Sync() error {
	if err := f.of.step(); err != nil {
		return err
	}
	f.durable = slices.Clone(f.now)
	return nil
}

func (f powerFile) Size() (int64, error) { return int64(len(f.now)), nil }
func (f powerFile) Close() error         { return nil }

var (
	_          io.ReaderAt = powerFile{}
	errNoSpace             = errors.New("no space left on device")
)
