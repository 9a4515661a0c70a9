package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

func TestAContextThatEndsIsSeenThroughTheError(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.Job(ctx, "j")
		if !errors.Is(err, context.Canceled) || client.CodeOf(err) != client.Canceled {
			t.Errorf("got %v", err)
		}
		ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		if _, err := r.Job(ctx, "j"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if client.CodeOf(errors.New("any")) != client.Internal {
			t.Error("an error of somebody else has a code")
		}
	})
}

func TestACodeIsReadThroughWhateverACallerWraps(t *testing.T) {
	inner := &client.Error{Code: client.NotFound, Message: "there is no job j"}
	for _, err := range []error{inner, fmt.Errorf("cannot look: %w", inner), errors.Join(errors.New("two things"), inner)} {
		if got := client.CodeOf(err); got != client.NotFound {
			t.Errorf("the code of %q is %s", err, got)
		}
		var e *client.Error
		if !errors.As(err, &e) || e.Message != "there is no job j" {
			t.Errorf("%q does not give its text", err)
		}
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := client.Internal; c <= client.Untrusted; c++ {
		if seen[c.String()] {
			t.Errorf("two codes are %q", c)
		}
		seen[c.String()] = true
	}
	if got := (client.Untrusted + 1).String() + ", " + client.Code(-1).String(); got != "code 13, code -1" {
		t.Errorf("what is no code is %s", got)
	}
}

func TestWhoeverGivesUpWaitingIsToldWhatTheServersSaidLast(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.away("GetJob")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Job(ctx, "j")
		wantError(t, err, client.Canceled, "no scheduler owns this part")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say that the time was over", err)
		}
	})
}
