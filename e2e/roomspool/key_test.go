package roomspool

import (
	"encoding/hex"
	"testing"

	"github.com/google/uuid"
)

// taskKey is how the key of a task in the log ends that the host is part of: it
// begins with the job and ends with the name of the host.
func (r room) taskKey(t *testing.T, id, host string) string {
	t.Helper()
	job, err := uuid.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.SDK.Host(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	incarnation, err := hex.DecodeString(h.Incarnation)
	if err != nil {
		t.Fatal(err)
	}
	return "t" + string(job[:]) + string(incarnation) + host
}
