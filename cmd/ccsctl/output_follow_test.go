package main

import (
	"context"
	"strings"
	"testing"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func said(offset uint64, content string) *accessv1.FollowOutputResponse {
	return &accessv1.FollowOutputResponse{Attempt: 1, Piece: &typesv1.OutputPiece{Offset: offset, Content: []byte(content)}}
}

func TestAnOutputIsPrintedWhileItIsWritten(t *testing.T) {
	transcript(t, "output-follow", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--detach", "--", "make")
		r.access.follows = []*accessv1.FollowOutputResponse{
			{WaitsFor: accessv1.OutputWait_OUTPUT_WAIT_START},
			said(0, "one\n"), said(4, "two \x00\xff"),
			{Attempt: 1, WaitsFor: accessv1.OutputWait_OUTPUT_WAIT_HOST},
			said(1_234_577, "the end\n"),
			{Attempt: 1, Piece: &typesv1.OutputPiece{End: &typesv1.OutputEnd{Total: 1_234_585, Ended: true}}},
		}
		if status := r.run(ctx, "output", "-f", "JOB", "h1"); status != exitOK || r.stdout != "one\ntwo \x00\xffthe end\n" {
			t.Errorf("exit status %d, %q", status, r.stdout)
		}
		if a := r.access.asked; a.GetHostId() != "h1" || a.GetOffset() != 0 || !a.GetFollow() || a.GetStream() != typesv1.Stream_STREAM_STDOUT {
			t.Errorf("it asked for %v", a)
		}
		r.run(ctx, "output", "-f", "JOB", "h1", "--stderr", "--offset", "4")
		if a := r.access.asked; a.GetOffset() != 4 || a.GetStream() != typesv1.Stream_STREAM_STDERR {
			t.Errorf("it asked for %v", a)
		}
		r.width = 80
		r.run(ctx, "output", "-f", "JOB", "h1")
		r.width = 0
		for _, args := range [][]string{{"JOB"}, {"JOB", "h1", "--verify"}, {"JOB", "h1", "-o", "json"}} {
			if status := r.run(ctx, append([]string{"output", "-f"}, args...)...); status != exitUsage {
				t.Errorf("%v: exit status %d", args, status)
			}
		}
		if status := r.run(ctx, "output", "JOB", "h1", "--offset", "4"); status != exitUsage {
			t.Errorf("exit status %d", status)
		}
	})
}

func TestWhoStopsFollowingIsToldHowToGoOn(t *testing.T) {
	transcript(t, "output-follow-left", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--all", "--detach", "--", "make")
		r.access.follows = []*accessv1.FollowOutputResponse{said(0, "one\n"), said(4, "two\n")}
		r.access.fail = func(method string) error {
			if method == "FollowOutput" {
				r.interrupt()
			}
			return nil
		}
		if status := r.run(ctx, "output", "-f", "JOB", "h1", "--stderr"); status != exitUnknown || r.stdout != "one\ntwo\n" {
			t.Errorf("exit status %d, %q", status, r.stdout)
		}
	})
}

func TestTheCutOfALongOutputIsMarkedWhereItIs(t *testing.T) {
	transcript(t, "output-cut", func(ctx context.Context, r *rig) {
		r.access.outcome = func(string) outcome {
			return outcome{state: task.Succeeded, stdout: "the beginning\nand the end\n", cut: 1_234_567, tail: uint64(len("and the end\n"))}
		}
		r.run(ctx, "run", "--hosts", "h1", "--", "make")
		if r.run(ctx, "output", "JOB", "h1"); r.stdout != "the beginning\nand the end\n" {
			t.Errorf("stdout is %q", r.stdout)
		}
		r.run(ctx, "output", "JOB")
		if r.run(ctx, "output", "JOB", "--raw"); strings.Contains(r.stdout, "cut") {
			t.Errorf("stdout is %q", r.stdout)
		}
		r.width = 80
		r.run(ctx, "output", "JOB", "h1")
		r.run(ctx, "output", "JOB", "-o", "json")
	})
}
