package main

import (
	"io"
	"os"
)

// maxAttached is how many bytes a script or an input may have.
const maxAttached = 1 << 20

// attach reads a file that goes with the job.
func attach(what, path string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("cannot read the %s: %v", what, err)
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	}
	content, err := io.ReadAll(io.LimitReader(from, maxAttached+1))
	if err != nil {
		return nil, usagef("cannot read the %s: %v", what, err)
	}
	if len(content) > maxAttached {
		return nil, usagef("%s %s has more than %d bytes (1 MiB), the most that a job carries: let the command fetch it on the host", what, path, maxAttached)
	}
	return content, nil
}
