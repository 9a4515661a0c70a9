package job_test

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

func TestDueIsLater(t *testing.T) {
	now := time.Now()
	if !job.Due(now).After(now) {
		t.Error("due is not later")
	}
}

func TestDueIsExact(t *testing.T) {
	now := time.Now()
	if got := job.Due(now).Sub(now); got != time.Second {
		t.Errorf("due in %v", got)
	}
}
