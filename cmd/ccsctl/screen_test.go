package main

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// keyboard is what a person types on.
func keyboard(t *testing.T) (screen, keys *os.File) {
	t.Helper()
	screen, keys, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { _, _ = screen.Close(), keys.Close() })
	return screen, keys
}

func TestAnAnswerIsALine(t *testing.T) {
	screen, keys := keyboard(t)
	go func() {
		for _, piece := range []string{"ye", "s", "\nmore"} {
			_, _ = keys.WriteString(piece)
		}
	}()
	if got, err := readLine(t.Context(), screen); got != "yes" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnAnswerIsNotWaitedForAfterCtrlC(t *testing.T) {
	screen, _ := keyboard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := readLine(ctx, screen); got != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAKeyboardThatIsGoneGivesNoAnswer(t *testing.T) {
	screen, keys := keyboard(t)
	must(t, keys.Close())
	if _, err := readLine(t.Context(), screen); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if got := columns(screen); got != 80 {
		t.Errorf("what is no terminal has %d columns", got)
	}
}
