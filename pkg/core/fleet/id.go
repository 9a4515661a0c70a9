package fleet

import "errors"

// HostID is a host's unique name: 1..128 of [a-z0-9.-], the first and the last
// a letter or digit, so that it is a safe file name and key segment.
type HostID string

// Room names a group of hosts that share aggregators: 1..63 of [a-z0-9.-], the
// first and the last a letter or digit.
type Room string

// Incarnation is the random id made with a host's state directory. Another one
// means that the old state is lost.
type Incarnation [16]byte

// IsZero reports whether no incarnation is known.
func (i Incarnation) IsZero() bool { return i == Incarnation{} }

// Limits of names.
const (
	MaxHostID = 128 // bytes
	MaxRoom   = 63  // bytes
)

// Errors of names.
var (
	ErrBadHostID = errors.New("not a host id: 1..128 of a-z, 0-9, '.' and '-', beginning and ending with a letter or digit")
	ErrBadRoom   = errors.New("not a room: 1..63 of a-z, 0-9, '.' and '-', beginning and ending with a letter or digit")
)

// ParseHostID returns text as a host id, or ErrBadHostID.
func ParseHostID(text string) (HostID, error) {
	if !isName(text, MaxHostID) {
		return "", ErrBadHostID
	}
	return HostID(text), nil
}

// ParseRoom returns text as a room, or ErrBadRoom.
func ParseRoom(text string) (Room, error) {
	if !isName(text, MaxRoom) {
		return "", ErrBadRoom
	}
	return Room(text), nil
}

func isName(text string, limit int) bool {
	if text == "" || len(text) > limit || !isLowerAlnum(text[0]) || !isLowerAlnum(text[len(text)-1]) {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isLowerAlnum(c) && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
