package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// interruptedSoon is Ctrl-C after a moment.
func interruptedSoon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestCtrlCEndsTheWaitForStdin(t *testing.T) {
	stdin, writer := keyboard(t)
	_, err := writer.WriteString("h1\n") // and it stays open
	must(t, err)
	for what, read := range map[string]func(input) error{
		"--stdin -":      func(in input) error { _, err := attach("stdin", "-", in); return err },
		"--hosts-file -": func(in input) error { _, err := readHosts("-", in); return err },
	} {
		if err := read(input{interruptedSoon(t).Err, stdin}); !errors.Is(err, errInterrupted) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCtrlCEndsTheWaitForANamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(path, 0o600))
	if _, err := attach("script", path, input{interruptedSoon(t).Err, nil}); !errors.Is(err, errInterrupted) {
		t.Errorf("%v", err)
	}
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, _ = f.WriteString("date\n")
			_ = f.Close()
		}
	}()
	got, err := attach("script", path, input{t.Context().Err, nil})
	if string(got) != "date\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestStdinIsReadToItsEnd(t *testing.T) {
	stdin, writer := keyboard(t)
	go func() {
		for range 100 {
			_, _ = writer.WriteString(strings.Repeat("x", 1000))
		}
		_ = writer.Close()
	}()
	got, err := attach("stdin", "-", input{t.Context().Err, stdin})
	if len(got) != 100_000 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
