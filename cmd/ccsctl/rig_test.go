package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// rig runs the program against a fake replica and keeps a transcript.
type rig struct {
	t      *testing.T
	access *fake
	dir    string // of the configuration
	stdin  string
	room   int      // bytes that there is room for behind stdout; 0: without end
	width  int      // of the terminal behind stdout and stderr; 0: none
	says   []string // what the person at the terminal answers, in turn
	zone   *time.Location
	env    map[string]string
	open   func(client.Config) (*client.Client, error)

	interrupt context.CancelFunc // of the run that is under way

	transcript bytes.Buffer
	last       string // job id of the last run
	stdout     string // of the last run
}

// transcript runs a test in a bubble and compares what was printed with its
// golden file.
func transcript(t *testing.T, name string, test func(context.Context, *rig)) {
	t.Helper()
	inBubble(t, func(ctx context.Context, r *rig) {
		test(ctx, r)
		golden(r.t, name, r.transcript.Bytes())
	})
}

// inBubble runs a test where time passes only when nothing else can.
func inBubble(t *testing.T, test func(context.Context, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t.Context(), newRig(t)) })
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, access: &fake{blobs: map[[32]byte][]byte{}}, dir: t.TempDir(), env: map[string]string{}, zone: time.UTC}
	r.write("config.yaml", "addresses: [127.0.0.1:7400]\ntls: {cert: me.crt, key: me.key, ca: ca.crt}\nsigning_key: me.key\n")
	r.env["CCSCTL_CONFIG"] = filepath.Join(r.dir, "config.yaml")
	server := grpc.NewServer()
	accessv1.RegisterAccessServiceServer(server, r.access)
	lis := bufconn.Listen(64 << 10)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lis) })
	conn, err := grpc.NewClient("passthrough:///access", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		serving.Wait()
	})
	key, err := identity.NewKey()
	must(t, err)
	r.open = func(client.Config) (*client.Client, error) { return client.Over(conn, key), nil }
	return r
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (r *rig) write(name, content string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600))
}

var (
	jobID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	madeJob = regexp.MustCompile(`Job (` + jobID.String() + `) on`)
	jobCell = regexp.MustCompile(`(?m)^` + jobID.String() + `  `)
	digest  = regexp.MustCompile(`[0-9a-f]{64}`)
	request = regexp.MustCompile(`[A-Z2-7]{26}`)
)

// run runs one command line, of which JOB is the last job, and notes all that
// came of it.
func (r *rig) run(ctx context.Context, args ...string) (status int) {
	r.t.Helper()
	fmt.Fprintf(&r.transcript, "$ ccsctl %s\n", r.stable(commandLine(args)))
	for i := range args {
		args[i] = strings.ReplaceAll(strings.ReplaceAll(args[i], "JOB", r.last), "DIR", r.dir)
	}
	var stdout, stderr bytes.Buffer
	a := &app{
		stdin: strings.NewReader(r.stdin), stdout: &disk{to: &stdout, room: r.room}, stderr: &stderr, zone: r.zone, open: r.open,
		screen: screen{
			stdin: r.says != nil, stdout: r.width > 0, stderr: r.width > 0 || r.says != nil,
			width: func() int { return r.width }, line: r.answer,
		},
	}
	for name, value := range r.env {
		a.environ = append(a.environ, name+"="+value)
	}
	slices.Sort(a.environ)
	ctx, r.interrupt = context.WithCancel(ctx)
	defer r.interrupt()
	status = a.run(ctx, args)
	if made := madeJob.FindStringSubmatch(stderr.String()); made != nil {
		r.last = made[1]
	} else if id := jobID.FindString(stderr.String() + stdout.String()); id != "" {
		r.last = id
	}
	r.stdout = stdout.String()
	for _, part := range []struct{ name, text string }{{"stdout", stdout.String()}, {"stderr", stderr.String()}} {
		if part.text != "" {
			fmt.Fprintf(&r.transcript, "-- %s:\n%s", part.name, r.stable(part.text))
			if !strings.HasSuffix(part.text, "\n") {
				r.transcript.WriteString("\\\n")
			}
		}
	}
	fmt.Fprintf(&r.transcript, "-- exit status %d\n\n", status)
	return status
}

// commandLine is what was typed, readably.
func commandLine(args []string) string {
	line := strings.Join(args, " ")
	if args[0] != "__complete" && slices.Contains(args, "") {
		line = strings.TrimRight(strings.ReplaceAll(line+" ", "  ", " '' "), " ")
	}
	return strings.ToValidUTF8(line, "\ufffd")
}

// disk is a file that may become full.
type disk struct {
	to   io.Writer
	room int // bytes; 0: without end
	used int
}

// Write writes as much as there is room for.
func (d *disk) Write(b []byte) (int, error) {
	fits := len(b)
	if d.room > 0 {
		fits = min(fits, d.room-d.used)
	}
	d.used += fits
	n, err := d.to.Write(b[:fits])
	if err == nil && n < len(b) {
		err = &os.PathError{Op: "write", Path: "/dev/stdout", Err: unix.ENOSPC}
	}
	return n, err
}

// answer is what the person types next, and nothing more at the end; "^C" is
// Ctrl-C.
func (r *rig) answer(ctx context.Context) (string, error) {
	if len(r.says) == 0 {
		return "", io.EOF
	}
	text := r.says[0]
	r.says = r.says[1:]
	if text == "^C" {
		r.interrupt()
		return "", ctx.Err()
	}
	return text, nil
}

// stable takes out of a text what differs from run to run.
func (r *rig) stable(text string) string {
	text = jobCell.ReplaceAllString(text, fmt.Sprintf("%-36s  ", "JOB"))
	text = jobID.ReplaceAllString(text, "JOB")
	text = request.ReplaceAllString(text, "REQUEST")
	text = digest.ReplaceAllString(text, "SHA256")
	text = strings.ReplaceAll(text, r.dir, "DIR")
	return controls.Replace(text)
}

// controls are shown as what they do.
var controls = strings.NewReplacer("\r", "<CR>", "\x1b[J", "<ERASE>", green, "<green>", red, "<red>", yellow, "<yellow>", plain, "<plain>")

// golden compares a transcript with its file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *rewrite {
		must(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was (go test -rewrite takes it as right); now:\n%s", path, got)
	}
}

// wait lets the time of the bubble pass.
func wait(d time.Duration) { <-time.After(d) }
