package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxOutputLimit is the most that a host keeps of a stream.
const maxOutputLimit = 16 << 20

// size is a flag: a number of bytes, such as 65536, 64KiB or 4MiB.
type size uint64

var units = []struct {
	name  string
	bytes uint64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"K", 1 << 10},
	{"M", 1 << 20},
	{"G", 1 << 30},
	{"T", 1 << 40},
	{"B", 1},
}

// Set reads it.
func (s *size) Set(text string) error {
	n, ok := bytesOf(text)
	switch {
	case !ok:
		return errors.New("give a number of bytes such as 65536, 64KiB or 4MiB")
	case n == 0 || n > maxOutputLimit:
		return errors.New("give 1 byte to 16MiB")
	}
	*s = size(n)
	return nil
}

// bytesOf reads a number of bytes with or without a unit; false: it is none, or
// more than 64 bits hold.
func bytesOf(text string) (uint64, bool) {
	digits, unit := text, uint64(1)
	for _, u := range units {
		if rest, has := strings.CutSuffix(text, u.name); has {
			digits, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > math.MaxUint64/unit {
		return 0, false
	}
	return n * unit, true
}

// String is the size in its largest whole unit.
func (s *size) String() string { return sizeText(uint64(*s)) }

// Type is not shown: the flag names its value.
func (s *size) Type() string { return "size" }

func sizeText(n uint64) string {
	switch {
	case n == 0:
		return "0"
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}
