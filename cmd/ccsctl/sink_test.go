package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestWhatCannotBeWrittenIsNoFaultOfTheCommandLine(t *testing.T) {
	transcript(t, "disk-full", func(ctx context.Context, r *rig) {
		r.access.outcome = func(string) outcome { return outcome{state: task.Succeeded, stdout: "up 3 days\n"} }
		r.room = 1 // byte
		for _, line := range [][]string{
			{"run", "--all", "--", "uptime"},
			{"run", "--all", "-o", "json", "--", "uptime"},
			{"run", "--hosts", "h1", "--", "uptime"},
			{"run", "--all", "--detach", "--", "uptime"},
			{"job", "watch", "JOB"},
			{"output", "JOB"},
			{"output", "JOB", "--grouped"},
			{"output", "JOB", "-o", "yaml"},
			{"job", "get", "JOB"},
			{"host", "list"},
			{"host", "list", "-o", "json"},
			{"config"},
			{"completion", "zsh"},
			{"job", "--help"},
		} {
			if got := r.run(ctx, line...); got != exitSome {
				t.Errorf("%v: exit status %d", line, got)
			}
		}
	})
}

func TestASinkStaysBrokenAndSaysWhy(t *testing.T) {
	var kept bytes.Buffer
	s := &sink{to: &disk{to: &kept, room: 3}}
	a := &app{stdout: s}
	if _, err := s.Write([]byte("ab")); err != nil || a.unwritten() != "" {
		t.Errorf("%v, %q", err, a.unwritten())
	}
	for range 2 {
		if n, err := s.Write([]byte("cd")); err == nil || n > 1 {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	if kept.String() != "abc" || a.unwritten() != "cannot write to stdout: no space left on device" {
		t.Errorf("%q, %q", kept.String(), a.unwritten())
	}
	s.err = errors.New("another")
	if a.unwritten() != "cannot write to stdout: another" {
		t.Errorf("%q", a.unwritten())
	}
}
