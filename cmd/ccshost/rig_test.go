package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// patience is how long a condition may take on a busy machine.
const patience = 30 * time.Second

// rig is a host with a real executor and real end-processes, and an operator who
// is logged in.
type rig struct {
	*testing.T
	dir        string // everything; short, for the socket
	host       operator.Host
	process    *exec.Cmd // the executor; nil: it is down
	agentLock  *spool.Root
	answer     string // of the person at the terminal; empty: there is no terminal
	environ    []string
	ids        []string // command ids, shown as ID1, ID2, …
	transcript bytes.Buffer
	out, err   string // of the last run
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "ccshost") //nolint:usetesting // a socket's path must be short
	must(t, err)
	r := &rig{T: t, dir: dir, host: operator.Host{
		StateDir: filepath.Join(dir, "executor"), AgentDir: filepath.Join(dir, "agent"), OperatorDir: filepath.Join(dir, "operator"),
	}}
	t.Cleanup(r.cleanUp)
	r.write("executor.yaml", "state_dir: "+r.host.StateDir+"\nsocket: "+r.socket()+"\nendprocess: "+endProcess+"\n")
	r.write("agent.yaml", fmt.Sprintf(`domain: demo.ccs
host: web1
state_dir: %s
operator_dir: %s
executor_socket: %s
aggregators: [agg1:7421]
issuer: issuer:7430
issuer_ca: ca.crt
join_token_file: token
operator_key: %s
`, r.host.AgentDir, r.host.OperatorDir, r.socket(), filepath.Join(dir, "operator.pub")))
	return r
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (r *rig) write(name, content string) {
	r.Helper()
	must(r.T, os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600))
}

func (r *rig) socket() string { return filepath.Join(r.dir, "x.sock") }

// up starts the executor, and waits until it serves.
func (r *rig) up() {
	r.Helper()
	log, err := os.OpenFile(filepath.Join(r.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.T, err)
	defer func() { _ = log.Close() }()
	r.process = exec.Command(os.Args[0])
	r.process.Env = append(os.Environ(), "TEST_EXECUTOR_STATE="+r.host.StateDir, "TEST_EXECUTOR_SOCKET="+r.socket(), "TEST_EXECUTOR_ENDPROCESS="+endProcess)
	r.process.Stderr = log
	must(r.T, r.process.Start())
	r.poll("the executor", func() bool {
		return r.call(func(ctx context.Context, s *agent.Socket) error { _, err := s.Info(ctx, time.Time{}); return err }) == nil
	})
}

// down is kill -9 of the executor.
func (r *rig) down() {
	r.Helper()
	must(r.T, r.process.Process.Kill())
	_ = r.process.Wait()
	r.process = nil
}

// attach makes an agent that is up, and has a session.
func (r *rig) attach() {
	r.Helper()
	lock, err := spool.Open(r.host.AgentDir) // the same kind of lock
	must(r.T, err)
	r.agentLock = lock
	now := time.Now()
	must(r.T, os.WriteFile(filepath.Join(r.host.AgentDir, spool.LinkFile), spool.Link{
		Aggregator: "agg1", Address: "agg1:7421", Since: now, Heard: now, ServerTime: now, Version: setup.Version(),
	}.Encode(), 0o600))
}

func (r *rig) call(do func(context.Context, *agent.Socket) error) error {
	s, err := agent.OpenSocket(r.socket())
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	return do(ctx, s)
}

// start hands a shell line to the executor as an agent does.
func (r *rig) start(line string) (id string) {
	r.Helper()
	id = job.NewID(time.Now(), [10]byte{byte(len(r.ids))}).String()
	r.ids = append(r.ids, id)
	must(r.T, r.call(func(ctx context.Context, s *agent.Socket) error {
		_, err := s.Start(ctx, wire.StartOrder{Attempt: 1, Spec: spool.Spec{
			ID: id, SlotGroup: "bulk", StartBy: time.Now().Add(time.Hour), RememberUntil: time.Now().Add(time.Hour),
			Run: spool.Run{Argv: []string{"/bin/sh", "-c", line}, Env: []string{"PASSWORD=hunter2"}, Grace: 200 * time.Millisecond},
		}})
		return err
	}))
	return id
}

// running starts a line that runs until it is ended.
func (r *rig) running() string {
	r.Helper()
	id := r.start("sleep 300")
	r.poll(id, func() bool { e, err := r.host.Find(id); return err == nil && e.Leader != 0 })
	return id
}

// behead is kill -9 of a command's end-process.
func (r *rig) behead(id string) {
	r.Helper()
	e, err := r.host.Find(id)
	must(r.T, err)
	must(r.T, syscall.Kill(e.Supervisor, syscall.SIGKILL))
	r.poll("its end", func() bool { e, err := r.host.Find(id); return err == nil && e.Supervisor == 0 })
}

// poll waits for a condition that nothing announces.
func (r *rig) poll(what string, holds func() bool) {
	r.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			log, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			r.Fatalf("not in time: %s\n%s", what, log)
		}
	}
}

// run runs a line as it would be typed and notes all that came of it. IDn is the
// n-th command.
func (r *rig) run(args ...string) (status int) {
	r.Helper()
	fmt.Fprintf(&r.transcript, "$ ccshost %s\n", strings.Join(args, " "))
	for i := range args {
		for n, id := range r.ids {
			args[i] = strings.ReplaceAll(args[i], fmt.Sprintf("ID%d", n+1), id)
		}
	}
	var stdout, stderr bytes.Buffer
	a := &app{
		stdin: strings.NewReader(r.answer), terminal: r.answer != "", stdout: &stdout, stderr: &stderr, environ: r.environ,
		now: time.Now, who: "ops",
	}
	status = a.run(r.Context(), append([]string{"--executor-config", filepath.Join(r.dir, "executor.yaml"), "--agent-config", filepath.Join(r.dir, "agent.yaml")}, args...))
	r.out, r.err = stdout.String(), stderr.String()
	fmt.Fprintf(&r.transcript, "%s%s", r.stable(r.out), r.stable(r.err))
	if status != 0 {
		fmt.Fprintf(&r.transcript, "[status %d]\n", status)
	}
	return status
}

// want runs a line and demands its status and words of what it says.
func (r *rig) want(status int, words string, args ...string) {
	r.Helper()
	if got := r.run(args...); got != status || !strings.Contains(r.stable(r.out+r.err), words) {
		r.Errorf("ccshost %s: status %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, status, words, r.out, r.err)
	}
}

var unstable = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "INCARNATION"},
	{regexp.MustCompile(`(pid |end-process |pid": ?)\d+`), "${1}PID"},
	{regexp.MustCompile(`"pid": \d+`), `"pid": PID`},
	{regexp.MustCompile(`[\d.]+ (?:[KMG]i)?B in`), "SIZE in"},
	{regexp.MustCompile(`"spool_bytes": \d+`), `"spool_bytes": SIZE`},
	{regexp.MustCompile(`\d+ MiB free`), "SIZE free"},
	{regexp.MustCompile(`is [0-9.µms]+ (ahead of|behind) the servers'`), "is SKEW"},
	{regexp.MustCompile(`(?m)^\S+ +(orphans|disk): .*$`), "$1: as the machine is"},
	{regexp.MustCompile(`(TIME  )\d+ +`), "${1}PID  "},
	{regexp.MustCompile(`(?m)^\d+ +TIME`), "PID  TIME"},
	{regexp.MustCompile(` {3,}`), "  "},
}

// stable is a text without what is another each time.
func (r *rig) stable(text string) string {
	for n, id := range r.ids {
		text = strings.ReplaceAll(text, id, fmt.Sprintf("ID%d", n+1))
	}
	text = strings.ReplaceAll(text, endProcess, "ENDPROCESS")
	text = strings.ReplaceAll(text, r.dir, "DIR")
	text = strings.ReplaceAll(text, setup.Version(), "VERSION")
	for _, u := range unstable {
		text = u.what.ReplaceAllString(text, u.by)
	}
	return text
}

// golden compares the transcript with its file.
func (r *rig) golden(name string) {
	r.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *rewrite {
		must(r.T, os.MkdirAll("testdata", 0o755))
		must(r.T, os.WriteFile(path, r.transcript.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	must(r.T, err)
	if !bytes.Equal(want, r.transcript.Bytes()) {
		r.Errorf("%s is not as it was (-rewrite writes it anew):\n%s", path, r.transcript.Bytes())
	}
}

// cleanUp leaves no process behind.
func (r *rig) cleanUp() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait()
	}
	if r.agentLock != nil {
		r.agentLock.Close()
	}
	for _, c := range carriers(r.host.StateDir) {
		_ = syscall.Kill(c.PID, syscall.SIGKILL)
		_ = proc.Orphans{Since: c.Start, Mark: spool.MarkName + "=" + c.Value}.Signal(syscall.SIGKILL)
	}
	_ = os.RemoveAll(r.dir)
}

// carriers are the end-processes of a state directory, by their marks.
func carriers(dir string) (ours []proc.Carrier) {
	owned := map[int]bool{}
	all, _ := proc.Carriers(spool.OwnerName)
	for _, c := range all {
		owned[c.PID] = strings.HasSuffix(c.Value, "@"+dir)
	}
	marked, _ := proc.Carriers(spool.MarkName)
	for _, c := range marked {
		if owned[c.PID] {
			ours = append(ours, c)
		}
	}
	return ours
}
