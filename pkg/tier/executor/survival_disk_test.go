package executor

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/tracer"
)

// node is a file, a FIFO or a directory of the model of a disk: what processes
// see, and what is certain to be there after the power was lost.
type node struct {
	mode    os.FileMode
	content []byte           // of a file, as processes see it
	synced  []byte           // as of its last fsync; nil: it has had none
	names   map[string]*node // of a directory, as processes see it
	durable map[string]*node // as of its last fsync
}

// modelDisk follows what is done to a directory.
type modelDisk struct {
	*testing.T
	path string
	top  *node
}

// readDisk begins with what is there, all of it durable.
func readDisk(t *testing.T, path string) *modelDisk {
	t.Helper()
	d := &modelDisk{T: t, path: path}
	d.top = d.read(path)
	return d
}

func (d *modelDisk) read(path string) *node {
	d.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		d.Fatal(err)
	}
	n := &node{mode: st.Mode()}
	switch {
	case st.IsDir():
		n.names = map[string]*node{}
		entries, err := os.ReadDir(path)
		if err != nil {
			d.Fatal(err)
		}
		for _, e := range entries {
			n.names[e.Name()] = d.read(filepath.Join(path, e.Name()))
		}
		n.durable = maps.Clone(n.names)
	case st.Mode().IsRegular():
		n.content = d.bytes(path)
		n.synced = n.content
	}
	return n
}

func (d *modelDisk) bytes(path string) []byte {
	d.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		d.Fatal(err)
	}
	return append([]byte{}, data...)
}

// find is the node at a path; "." is the top.
func (d *modelDisk) find(path string) *node {
	d.Helper()
	n := d.top
	if path == "." {
		return n
	}
	for name := range strings.SplitSeq(path, "/") {
		if n = n.names[name]; n == nil {
			d.Fatalf("the model of the disk has no %s", path)
		}
	}
	return n
}

// apply does what was done.
func (d *modelDisk) apply(c tracer.Change) {
	d.Helper()
	if c.Path == "" {
		return
	}
	dir, name := d.find(filepath.Dir(c.Path)), filepath.Base(c.Path)
	real := filepath.Join(d.path, c.Path)
	switch c.Op {
	case "create":
		if dir.names[name] == nil {
			dir.names[name] = &node{mode: 0o600, content: []byte{}}
		}
	case "mkdir":
		dir.names[name] = &node{mode: os.ModeDir | 0o700, names: map[string]*node{}, durable: map[string]*node{}}
	case "mkfifo":
		dir.names[name] = &node{mode: os.ModeNamedPipe | 0o600}
	case "write":
		d.find(c.Path).content = d.bytes(real)
	case "chmod":
		d.find(c.Path).mode = d.read(real).mode
	case "sync":
		if n := d.find(c.Path); n.names != nil {
			n.durable = maps.Clone(n.names)
		} else {
			n.synced = n.content
		}
	case "link", "rename":
		d.find(filepath.Dir(c.To)).names[filepath.Base(c.To)] = dir.names[name]
		if c.Op == "rename" {
			delete(dir.names, name)
		}
	case "unlink":
		delete(dir.names, name)
	default:
		d.Fatalf("the model of the disk does not know %+v", c)
	}
}

// image is one state of a disk: by path what is there.
type image map[string]node

// key tells images apart, but for what is in files that are still being written:
// nobody ever reads those.
func (i image) key() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(i)) {
		n := i[path]
		if isTemporary(path) {
			n = node{}
		}
		fmt.Fprintf(&b, "%s %v %q\n", path, n.mode, n.content)
	}
	return b.String()
}

func isTemporary(path string) bool { return strings.HasPrefix(filepath.Base(path), ".tmp.") }

// asSeen is the image that processes see: what a kill leaves.
func (d *modelDisk) asSeen() image {
	i := image{}
	i.add(".", d.top, func(n *node) map[string]*node { return n.names }, func(n *node) []byte { return n.content })
	return i
}

func (i image) add(path string, n *node, names func(*node) map[string]*node, content func(*node) []byte) {
	i[path] = node{mode: n.mode, content: content(n)}
	if n.names == nil {
		return
	}
	for name, child := range names(n) {
		i.add(filepath.Join(path, name), child, names, content)
	}
}

// slot is a name that may be as it is seen or as it was synced.
type slot struct {
	dir  *node
	name string
}

// slots is every such name of a directory that may be there.
func slots(n *node) (all []slot) {
	both := maps.Clone(n.durable)
	maps.Copy(both, n.names)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if n.names[name] != n.durable[name] {
			all = append(all, slot{n, name})
		}
		for _, child := range []*node{n.names[name], n.durable[name]} {
			if child != nil && child.names != nil {
				all = append(all, slots(child)...)
				break
			}
		}
	}
	return all
}

// allSubsets is up to how many names every subset is tried; of more: none, all,
// each alone, and all but one.
const allSubsets = 5

func subsets(n int) (all []uint64) {
	every := uint64(1)<<n - 1
	if n <= allSubsets {
		for s := range every + 1 {
			all = append(all, s)
		}
		return all
	}
	all = append(all, 0, every)
	for bit := range n {
		all = append(all, 1<<bit, every&^(1<<bit))
	}
	return all
}

// contents is what a file may hold whose last bytes were not synced: what was
// synced, half of what was written since, or all.
var contents = []func(n *node) []byte{
	func(n *node) []byte { return n.synced },
	func(n *node) []byte {
		if bytes.Equal(n.synced, n.content) {
			return n.content
		}
		return n.content[:(len(n.synced)+len(n.content))/2]
	},
	func(n *node) []byte { return n.content },
}

// afterPowerLoss is every image that the disk may show when the power comes
// back: any name that was not synced may be as before or as it was seen, in any
// combination, and so may what files hold. File systems promise more.
func (d *modelDisk) afterPowerLoss() map[string]image {
	all := map[string]image{}
	open := slots(d.top)
	for _, subset := range subsets(len(open)) {
		seen := map[slot]bool{}
		for bit, s := range open {
			seen[s] = subset&(1<<bit) != 0
		}
		pick := func(n *node) map[string]*node {
			names := map[string]*node{}
			for name, child := range n.durable {
				if !seen[slot{n, name}] {
					names[name] = child
				}
			}
			for name, child := range n.names {
				if n.durable[name] == child || seen[slot{n, name}] {
					names[name] = child
				}
			}
			return names
		}
		for _, content := range contents {
			i := image{}
			i.add(".", d.top, pick, content)
			all[i.key()] = i
		}
	}
	return all
}

// writeTo makes the image real.
func (i image) writeTo(t *testing.T, path string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(i)) {
		at := filepath.Join(path, name)
		var err error
		switch n := i[name]; {
		case n.mode.IsDir():
			err = os.MkdirAll(at, 0o700)
		case n.mode&os.ModeNamedPipe != 0:
			err = unix.Mkfifo(at, uint32(n.mode.Perm()))
		default:
			err = os.WriteFile(at, n.content, n.mode.Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
