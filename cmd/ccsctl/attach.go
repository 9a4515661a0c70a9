package main

import "io"

// maxAttached is how many bytes a script or an input may have.
const maxAttached = 1 << 20

// attach reads a file that goes with the job.
func attach(what, path string, in input) ([]byte, error) {
	from, err := in.open(path)
	if err != nil {
		return nil, in.cannotRead(what, err)
	}
	defer func() { _ = from.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(from, maxAttached+1))
	if err != nil {
		return nil, in.cannotRead(what, err)
	}
	if len(content) > maxAttached {
		return nil, usagef("%s %s has more than %d bytes (1 MiB), the most that a job carries: let the command fetch it on the host", what, path, maxAttached)
	}
	return content, nil
}
