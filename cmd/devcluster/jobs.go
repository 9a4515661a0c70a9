package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// job is a command line of ccsctl that the demo and the smoke run.
type job struct {
	title string
	args  []string
}

var (
	jobOneRoom  = job{"One room", []string{"run", "--selector", "room=bj01", "--", "sh", "-c", "hostname; uptime"}}
	jobAllHosts = job{"All hosts, four at a time", []string{"run", "--all", "--concurrency", "4", "--", "sh", "-c", "sleep 0.5; uname -srm"}}
)

// line is the job as a person would type it.
func (j job) line() string {
	words := []string{"ccsctl"}
	for _, a := range j.args {
		if strings.ContainsAny(a, " ;|&$\"") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// ccsctl is a run of ccsctl as the demo user.
func (s *session) ccsctl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "ccsctl"), append([]string{"--config", s.cluster.ClientConfig()}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGINT) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}
