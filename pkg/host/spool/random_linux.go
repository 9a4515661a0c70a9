package spool

import (
	"encoding/binary"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// random fills an id from the kernel. crypto/rand would bring fmt into every
// end-process.
func random() (id [16]byte, err error) {
	n, err := unix.Getrandom(id[:], 0)
	if err == nil && n != len(id) {
		err = errors.New("cannot get random bytes from the kernel")
	}
	return id, err
}

// NewMark returns a mark that no other attempt has.
func NewMark() (string, error) {
	id, err := random()
	return hexID(id), err
}

const hexHalf = 16

func hexID(id [16]byte) string {
	const zeros = "0000000000000000"
	first := strconv.FormatUint(binary.BigEndian.Uint64(id[:8]), 16)
	second := strconv.FormatUint(binary.BigEndian.Uint64(id[8:]), 16)
	return zeros[len(first):] + first + zeros[len(second):] + second
}

func parseHexID(text string) (id [16]byte, ok bool) {
	if len(text) != 2*hexHalf {
		return id, false
	}
	for half := range 2 {
		n, err := strconv.ParseUint(text[hexHalf*half:hexHalf*(half+1)], 16, 64)
		if err != nil {
			return id, false
		}
		binary.BigEndian.PutUint64(id[8*half:], n)
	}
	return id, hexID(id) == text
}
