package codec

import "time"

// AcceptedAt is when a job was accepted, by its encoded spec; zero if that cannot
// be read.
func AcceptedAt(spec []byte) time.Time {
	var s struct{ Created time.Time }
	if FromJSON("the job", spec, &s) != nil {
		return time.Time{}
	}
	return s.Created
}

// DoneAt is when a job was done, by its encoded row. Of one that cannot be decoded
// it is only known that nothing of it happens after its id may go.
func DoneAt(row []byte, keepUntil time.Time) time.Time {
	var r struct{ DoneAt time.Time }
	if FromJSON("the row of the job", row, &r) != nil || r.DoneAt.IsZero() {
		return keepUntil
	}
	return r.DoneAt
}
