package setup

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of testdata again")

// sample is a configuration with every sort of key.
type sample struct {
	Listen string `mapstructure:"listen"`
	TLS    struct {
		Cert string `mapstructure:"cert"`
		Key  string `mapstructure:"key"`
	} `mapstructure:"tls"`
	Etcd struct {
		Endpoints []string      `mapstructure:"endpoints"`
		Timeout   time.Duration `mapstructure:"request_timeout"`
	} `mapstructure:"etcd"`
	Store struct {
		DSN string `mapstructure:"dsn"`
	} `mapstructure:"store"`
	Shards    int               `mapstructure:"shards"`
	Push      bool              `mapstructure:"push"`
	Labels    map[string]string `mapstructure:"labels"`
	JoinToken obs.Secret        `mapstructure:"join_token"`
	Users     []user            `mapstructure:"users"`
	unseen    int               //nolint:unused // it has to be passed over
}

type user struct {
	Name  string     `mapstructure:"name"`
	Token obs.Secret `mapstructure:"token"`
}

func (s sample) Validate() error {
	var faults []error
	if s.TLS.Cert == "" {
		faults = append(faults, errors.New("tls.cert: must name a PEM file"))
	}
	if s.Shards < 1 {
		faults = append(faults, fmt.Errorf("shards: %d must be at least 1", s.Shards))
	}
	return errors.Join(faults...)
}

// bench is a process without a machine.
type bench struct {
	surroundings
	out, err strings.Builder
	signals  chan os.Signal
	exited   chan int
	prog     Program[sample]
}

func newBench(t *testing.T, args ...string) *bench {
	t.Helper()
	b := &bench{signals: make(chan os.Signal, 2), exited: make(chan int, 1)}
	b.surroundings = surroundings{args: args, etc: t.TempDir(), stdout: &b.out, stderr: &b.err, signals: b.signals, exit: func(code int) { b.exited <- code }}
	b.prog = Program[sample]{
		Name: "scheduler", Short: "Owns jobs: rollout, outcome.",
		Run: func(context.Context, Process, sample) error { return nil },
	}
	b.prog.Default.Listen = "127.0.0.1:7410"
	b.prog.Default.Etcd.Timeout = 5 * time.Second
	b.prog.Default.Shards = 64
	return b
}

// file writes the default configuration file.
func (b *bench) file(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.etc, "scheduler.yaml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) wantExit(t *testing.T, want int) {
	t.Helper()
	if got := run(t.Context(), b.prog, b.surroundings); got != want {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got, want, b.out.String(), b.err.String())
	}
}

// golden compares with a file of testdata; the directory of the test stands
// there as ETC, the version as VERSION.
func (b *bench) golden(t *testing.T, name, got string) {
	t.Helper()
	got = strings.NewReplacer(b.etc, "ETC", Version(), "VERSION").Replace(got)
	path := filepath.Join("testdata", name+".golden")
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s (%v): got\n%s\nwant\n%s", path, err, got, want)
	}
}

const goodFile = `
listen: 0.0.0.0:7410
tls: {cert: /etc/ccs/tls.crt}
etcd:
  endpoints: [etcd-1:2379, etcd-2:2379]
store:
  dsn: postgres://ccs:hunter2@db/ccs
labels:
  App.Tier: Gold
join_token: hunter2
users:
  - {name: Ann, token: hunter2}
`

func TestTheConfigInForceIsPrintedWithItsOriginsAndWithoutSecrets(t *testing.T) {
	b := newBench(t, "--print-config")
	b.file(t, goodFile)
	b.environ = []string{"CCS_SCHEDULER_ETCD_REQUEST_TIMEOUT=2s", "CCS_SCHEDULER_PUSH=true", "CCS_SCHEDULER_LOG_LEVEL=debug", "HOME=/root", "CCS_AGENT_ROOM=x"}
	b.wantExit(t, ExitOK)
	b.golden(t, "print-config", b.out.String())
	if strings.Contains(b.out.String(), "hunter2") {
		t.Error("a secret is shown")
	}
}

func TestWhatIsPrintedCanBeReadAgain(t *testing.T) {
	b := newBench(t, "--print-config")
	b.file(t, goodFile)
	b.wantExit(t, ExitOK)
	again := newBench(t, "--print-config")
	again.file(t, b.out.String())
	again.wantExit(t, ExitOK)
}

func TestFileAndEnvironmentFillTheConfig(t *testing.T) {
	b := newBench(t)
	b.file(t, goodFile)
	b.environ = []string{
		"CCS_SCHEDULER_LISTEN=127.0.0.1:0", "CCS_SCHEDULER_ETCD_ENDPOINTS=a:1,b:2", "CCS_SCHEDULER_SHARDS=8",
		"CCS_SCHEDULER_ETCD_REQUEST_TIMEOUT=90s", "CCS_SCHEDULER_PUSH=true", "CCS_SCHEDULER_TLS_KEY=k=v", "CCS_SCHEDULER_JOIN_TOKEN=t",
		"CCS_SCHEDULER_SERVICE_HOST=10.0.0.1", "CCS_SCHEDULER_PORT=tcp://10.0.0.1:7410", "CCS_SCHEDULER_PORT_7410_TCP_ADDR=10.0.0.1", "CCS_SCHEDULER_SERVICE_PORT_GRPC=7410",
	}
	var got sample
	b.prog.Run = func(_ context.Context, _ Process, c sample) error { got = c; return nil }
	b.wantExit(t, ExitOK)
	if got.Listen != "127.0.0.1:0" || fmt.Sprint(got.Etcd.Endpoints) != "[a:1 b:2]" || got.Shards != 8 || got.Etcd.Timeout != 90*time.Second ||
		!got.Push || got.TLS.Key != "k=v" || got.TLS.Cert != "/etc/ccs/tls.crt" || got.JoinToken.Reveal() != "t" {
		t.Errorf("got %+v", got)
	}
	if got.Labels["App.Tier"] != "Gold" || len(got.Users) != 1 || got.Users[0].Name != "Ann" || got.Users[0].Token.Reveal() != "hunter2" {
		t.Errorf("got %+v", got)
	}
	b = newBench(t)
	b.environ = []string{"CCS_SCHEDULER_LABELS=app=web, Tier=Gold", "CCS_SCHEDULER_TLS_CERT=c"}
	b.prog.Run = func(_ context.Context, _ Process, c sample) error { got = c; return nil }
	b.wantExit(t, ExitOK)
	if fmt.Sprint(got.Labels) != "map[Tier:Gold app:web]" || got.Shards != 64 {
		t.Errorf("got %+v", got)
	}
}

func TestEveryFaultOfABadConfigIsListedAtOnce(t *testing.T) {
	b := newBench(t)
	b.file(t, `
Listen: x
listne: y
nonsense: 1
etcd: {endpoint: a, request_timeout: fast}
tls: yes
endpoints: [a]
shards: "many"
push: maybe
labels: 7
users:
  - {name: Ann, tokn: x}
log: {level: loud}
`)
	b.environ = []string{"CCS_SCHEDULER_SHARD=7", "CCS_SCHEDULER_SHARDS=-", "CCS_SCHEDULER_LABELS=x"}
	b.prog.Run = func(context.Context, Process, sample) error { t.Error("it ran"); return nil }
	b.wantExit(t, ExitUsage)
	b.golden(t, "faults", b.err.String())
}

func TestAFileThatCannotBeReadIsAFault(t *testing.T) {
	for name, want := range map[string]string{
		"none.yaml": "no such file", "broken.yaml": "cannot read the file as YAML", "list.yaml": "cannot read the file as YAML", "twice.yaml": "already defined",
	} {
		b := newBench(t)
		path := filepath.Join(b.etc, name)
		b.args = []string{"--config", path}
		content := map[string]string{"broken.yaml": "a: [", "list.yaml": "- a", "twice.yaml": "listen: a\nlisten: b"}[name]
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b.wantExit(t, ExitUsage)
		if !strings.Contains(b.err.String(), want) || !strings.Contains(b.err.String(), path) {
			t.Errorf("%s: %s", name, b.err.String())
		}
	}
}

func TestFlagsAreHelpVersionAndErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		exit int
	}{
		{"help", []string{"--help"}, ExitOK},
		{"version", []string{"--version"}, ExitOK},
		{"bad-flag", []string{"--nonsense"}, ExitUsage},
		{"bad-argument", []string{"start"}, ExitUsage},
	} {
		b := newBench(t, c.args...)
		b.prog.Run = func(context.Context, Process, sample) error { t.Error("it ran"); return nil }
		b.prog.Flags = func(f *pflag.FlagSet) { f.Int("hosts", 8, "how many `N` hosts") }
		b.wantExit(t, c.exit)
		b.golden(t, c.name, b.out.String()+b.err.String())
	}
}

func TestAVerbIsDoneWithAllThatItNeedsOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		args []string
		file string
		exit int
		want string
	}{
		{[]string{"--to", "there"}, "", ExitOK, "done there"},
		{[]string{"--to="}, "", ExitOK, "done "}, // what is given is the verb's to judge
		{nil, "", ExitUsage, "ccs-scheduler store move: --to is missing\nSee ccs-scheduler store move --help."},
		{[]string{"--help"}, "", ExitOK, "Usage: ccs-scheduler store move [flags]"},
		{[]string{"--print-config"}, "", ExitOK, "listen: 127.0.0.1:7410"},
		{[]string{"--to", "there"}, "nonsense: 1", ExitUsage, "Nothing was done. See ccs-scheduler store move --help."},
	} {
		b := newBench(t, c.args...)
		if c.file != "" {
			b.file(t, c.file)
		}
		var to string
		b.prog.Verb, b.prog.Needs, b.prog.Validate = "store move", []string{"to"}, func(sample) error { return nil }
		b.prog.Flags = func(f *pflag.FlagSet) { f.StringVar(&to, "to", "", "where") }
		b.prog.Run = func(_ context.Context, p Process, _ sample) error {
			_, err := fmt.Fprintf(p.Stdout, "done %s", to)
			return err
		}
		b.wantExit(t, c.exit)
		if said := b.out.String() + b.err.String(); !strings.Contains(said, c.want) {
			t.Errorf("%q: it says\n%s\nwant %q", c.args, said, c.want)
		}
		if done := strings.Contains(b.out.String(), "done"); done != strings.HasPrefix(c.want, "done") {
			t.Errorf("%q: it is done: %v", c.args, done)
		}
	}
}

func TestAValueOfTheWrongKindIsToldWhatItMustBe(t *testing.T) {
	for content, want := range map[string]string{
		"listen: 7":                     "listen: must be text; put it in quotes",
		"join_token: 7":                 "join_token: ",
		"push: 1":                       "push: must be true or false",
		"shards: 1.5":                   "shards: must be a whole number",
		"etcd: {request_timeout: 5}":    "etcd.request_timeout: must be a duration",
		"etcd: {endpoints: {a: b}}":     "etcd.endpoints: ",
		"users: [{name: Ann, nick: x}]": "nick",
		"labels: [a]":                   "labels: ",
		"store: [dsn]":                  "store: must hold keys of its own, such as store.dsn",
		"1: x":                          "1: unknown key",
	} {
		b := newBench(t)
		b.file(t, content)
		b.wantExit(t, ExitUsage)
		if !strings.Contains(b.err.String(), want) {
			t.Errorf("%s: got\n%s", content, b.err.String())
		}
	}
}

func TestAProgramThatFailsSaysWhy(t *testing.T) {
	b := newBench(t)
	b.prog.Validate = func(sample) error { return nil }
	b.prog.Run = func(context.Context, Process, sample) error { return errors.New("the disk is full") }
	b.wantExit(t, ExitFailure)
	if !strings.Contains(b.err.String(), `"error":"the disk is full"`) {
		t.Errorf("got %s", b.err.String())
	}
}

func TestTheFirstSignalEndsTheContextAndTheSecondTheProcess(t *testing.T) {
	b := newBench(t)
	b.prog.Validate = func(sample) error { return nil }
	b.prog.Run = func(ctx context.Context, _ Process, _ sample) error {
		b.signals <- syscall.SIGTERM
		<-ctx.Done()
		var came *SignalError
		if !errors.As(context.Cause(ctx), &came) || came.Signal != syscall.SIGTERM {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		b.signals <- syscall.SIGINT
		if code := <-b.exited; code != ExitFailure {
			t.Errorf("exit code %d", code)
		}
		return ctx.Err()
	}
	b.wantExit(t, ExitOK)
	if !strings.Contains(b.err.String(), "received signal: terminated") {
		t.Errorf("got %s", b.err.String())
	}
}

func TestTheReadyFileTellsWhereAProcessServesAndGoesWithIt(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.etc, "ready.json")
	if err := os.WriteFile(path, []byte("stale"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.environ = []string{"CCS_SCHEDULER_READY_FILE=" + path, "CCS_SCHEDULER_TLS_CERT=x"}
	b.prog.Run = func(_ context.Context, p Process, _ sample) error {
		if _, err := os.Stat(path); err == nil {
			t.Error("the file of an earlier process is still there")
		}
		if err := p.Ready(map[string]string{"listen": "127.0.0.1:7410"}); err != nil {
			t.Error(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var ready struct {
			PID       int
			Addresses map[string]string
		}
		if err := json.Unmarshal(content, &ready); err != nil || ready.PID != os.Getpid() || ready.Addresses["listen"] != "127.0.0.1:7410" {
			t.Errorf("got %s (%v)", content, err)
		}
		return nil
	}
	b.wantExit(t, ExitOK)
	left, err := os.ReadDir(b.etc)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// The running one is this test's parent: it has another pid, and it lives.
func TestAProcessThatIsRefusedLeavesTheReadyFileOfTheRunningOne(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.etc, "ready.json")
	running := readyFile{path: path, pid: os.Getppid()}
	if err := running.write(map[string]string{"listen": "127.0.0.1:7410"}); err != nil {
		t.Fatal(err)
	}
	b.environ = []string{"CCS_SCHEDULER_READY_FILE=" + path, "CCS_SCHEDULER_TLS_CERT=x"}
	b.prog.Run = func(context.Context, Process, sample) error { return errors.New("another process holds the lock") }
	b.wantExit(t, ExitFailure)
	if pid, there := running.holder(); !there || pid != os.Getppid() {
		t.Errorf("the file of the running process is gone: %d, %v", pid, there)
	}
	running.remove()
	if _, there := running.holder(); there {
		t.Error("the running process cannot remove its own file")
	}
}

func TestTheReadyFileOfAProcessThatIsDeadIsRemovedAtTheNextStart(t *testing.T) {
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	f := readyFile{path: filepath.Join(t.TempDir(), "ready.json"), pid: dead.Process.Pid}
	if err := f.write(nil); err != nil {
		t.Fatal(err)
	}
	f.pid = os.Getpid()
	f.remove()
	if _, there := f.holder(); !there {
		t.Error("removed at the end of another process")
	}
	f.clear()
	if _, there := f.holder(); there {
		t.Error("it is still there")
	}
}

func TestAReadyFileThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "is-a-directory")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "ready"), blocked} {
		if err := (&readyFile{path: path}).write(nil); err == nil {
			t.Errorf("%s: written", path)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	none := &readyFile{}
	if err := none.write(nil); err != nil {
		t.Error(err)
	}
	none.remove()
}

func TestAVersionIsTheBuildsOrTheCommits(t *testing.T) {
	info := func(main string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: main}, Settings: settings}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	for want, have := range map[string]*debug.BuildInfo{
		"v1.2.3":                   info("v1.2.3", commit),
		"devel":                    info("(devel)"),
		"devel-0123456789ab":       info("", commit),
		"devel-0123456789ab+dirty": info("(devel)", commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
	} {
		if got := versionOf(have); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAKeyIsSuggestedOnlyIfItIsNear(t *testing.T) {
	all := []leaf{{key: "listen"}, {key: "etcd.endpoints"}, {key: "log.level"}}
	for word, want := range map[string]string{
		"listne": "listen", "etcd.endpoint": "etcd.endpoints", "endpoints": "etcd.endpoints", "level": "log.level", "server.listen": "listen", "pool": "", "x": "",
	} {
		if got, _ := closest(word, all, func(f leaf) string { return f.key }); got != want {
			t.Errorf("%s: suggested %q, want %q", word, got, want)
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
