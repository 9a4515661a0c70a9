package aggregator

import (
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/wire"
)

// mostWindow bounds what a peer's grants can make this process send of a class
// before the peer has taken any of it.
const mostWindow = 1 << 20

// window is credit by class, where a class begins with what the first message of
// the stream gave it. Its owner guards it.
type window struct {
	credit *link.Window
	first  wire.Credits
	opened map[string]struct{}
}

func newWindow(first wire.Credits) *window {
	return &window{credit: link.NewWindow(mostWindow), first: first, opened: map[string]struct{}{}}
}

// open gives a class its first window when it is first heard of.
func (w *window) open(class string) {
	if _, ok := w.opened[class]; ok || len(w.opened) >= mostClasses {
		return
	}
	w.opened[class] = struct{}{}
	w.credit.Grant(class, w.first.Initial(class))
}

func (w *window) grant(more wire.Credits) {
	for class, n := range more {
		w.open(class)
		w.credit.Grant(class, n)
	}
}

func (w *window) free(class string) uint32 {
	w.open(class)
	return w.credit.Free(class)
}

func (w *window) take(class string, n uint32) uint32 {
	w.open(class)
	return w.credit.Take(class, n)
}
