package codec

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestTheAgeOfAJobIsReadWithoutTheRestOfIt(t *testing.T) {
	accepted, done, keep := time.Unix(100, 1).UTC(), time.Unix(200, 2).UTC(), time.Unix(300, 3).UTC()
	spec, err := encodeSpec(&job.Spec{Created: accepted})
	if err != nil {
		t.Fatal(err)
	}
	row, err := encodeRow(&job.Row{DoneAt: done})
	if err != nil {
		t.Fatal(err)
	}
	if got := AcceptedAt(spec); !got.Equal(accepted) {
		t.Errorf("it was accepted at %v, want %v", got, accepted)
	}
	if got := DoneAt(row, keep); !got.Equal(done) {
		t.Errorf("it was done at %v, want %v", got, done)
	}
	if got := AcceptedAt([]byte("damaged")); !got.IsZero() {
		t.Errorf("a damaged one was accepted at %v", got)
	}
	if got := DoneAt([]byte("damaged"), keep); !got.Equal(keep) {
		t.Errorf("a damaged one was done at %v, want that its id is kept until %v", got, keep)
	}
}
