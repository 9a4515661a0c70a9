package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

func TestAPauseEndsInTimeOrWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		lifecycle.Pause(t.Context(), time.Hour)
		if took := time.Since(began); took != time.Hour {
			t.Errorf("a pause of an hour took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		lifecycle.Pause(ctx, time.Hour)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("with a minute left it took %s", took)
		}
	})
}
