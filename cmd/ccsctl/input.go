package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// input is where a verb reads files and stdin from, and gives up when ctx ends: a
// pipe or a terminal may have nothing to say for long.
type input struct {
	gone  func() error // why nobody waits any more, by the context; nil: somebody does
	stdin io.Reader
}

// open opens a file to be read to its end; - is stdin. Close it after use.
func (in input) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		f, is := in.stdin.(*os.File)
		if !is {
			return io.NopCloser(in.stdin), nil
		}
		return io.NopCloser(patient{f, in.gone}), nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe that nobody writes to would not be opened
	if err != nil {
		return nil, err
	}
	return patient{f, in.gone}, nil
}

// errInterrupted is the end of a run before there was a job.
var errInterrupted = &exit{exitUnknown, "interrupted: nothing was submitted"}

// cannotRead is the error of a file that was to be read.
func (in input) cannotRead(what string, err error) error {
	if in.gone() != nil {
		return errInterrupted
	}
	return usagef("cannot read the %s: %v", what, err)
}

// patient is a file that is read when it has something.
type patient struct {
	f    *os.File
	gone func() error
}

// Close closes the file.
func (p patient) Close() error { return p.f.Close() }

// Read reads what there is.
func (p patient) Read(b []byte) (int, error) {
	if err := ready(p.gone, p.f); err != nil {
		return 0, err
	}
	return p.f.Read(b)
}

// ready waits until a read would not wait: one of a terminal or of a pipe would go
// on after Ctrl-C.
func ready(gone func() error, f *os.File) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, answerEvery)
		if err := gone(); err != nil {
			return err
		}
		if err == nil && n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
