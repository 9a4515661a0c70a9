package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// sink is stdout. What cannot be written, as on a full disk, is the end of it,
// also where the one who writes does not look.
type sink struct {
	to  io.Writer
	err error // of the first write that failed
}

// Write passes on.
func (s *sink) Write(b []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.to.Write(b)
	return n, s.err
}

// unwritten is why stdout is not whole, in words; empty if it is.
func (a *app) unwritten() string {
	s, is := a.stdout.(*sink)
	if !is || s.err == nil {
		return ""
	}
	why := s.err
	if e, is := errors.AsType[*fs.PathError](why); is {
		why = e.Err
	}
	return fmt.Sprintf("cannot write to stdout: %v", why)
}
