package endprocess

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestTheExitStatusIsTheLeaders(t *testing.T) {
	d := newDisk(t)
	o := d.sh("exit 41")
	d.want(o, task.Failed, task.NoReason)
	if o.Exit.Code != 41 || o.Started.IsZero() || o.Ended.Before(o.Started) {
		t.Errorf("the outcome is %+v", o)
	}
}

func TestASignalThatIsNotOursIsAFailureAndNamed(t *testing.T) {
	d := newDisk(t)
	o := d.sh("kill -SEGV $$")
	d.want(o, task.Failed, task.Signaled)
	if o.Exit.Signal != int32(unix.SIGSEGV) {
		t.Errorf("the signal is %d", o.Exit.Signal)
	}
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\x7fELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		run    spool.Run
		reason task.Reason
		says   string
	}{
		"no such program":      {spool.Run{Argv: []string{"no-such-program"}}, task.NoFile, "no-such-program"},
		"no such path":         {spool.Run{Argv: []string{"/no/such/path"}}, task.NoFile, "/no/such/path"},
		"no such directory":    {spool.Run{Argv: []string{"true"}, Dir: "/no/such/dir"}, task.NoFile, "/no/such/dir"},
		"no such account":      {spool.Run{Argv: []string{"true"}, Account: "no-such-account"}, task.NoAccount, "no-such-account"},
		"a number for account": {spool.Run{Argv: []string{"true"}, Account: "65534"}, task.NoAccount, "65534"},
		"not a program":        {spool.Run{Argv: []string{plain}}, task.NoPermission, plain},
		"not executable here":  {spool.Run{Argv: []string{empty}}, task.BadSpec, empty},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			o := d.run(c.run, nil, nil)
			d.want(o, task.StartFailed, c.reason)
			if !strings.Contains(o.Message, c.says) || !o.Started.IsZero() {
				t.Errorf("the message is %q, started %v", o.Message, o.Started)
			}
		})
	}
}

func TestACommandBecomesTheAccountThatItNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	d := newDisk(t)
	script := []byte("id -un; echo to-stderr >/dev/stderr; echo $HOME $USER; cat; test -w / && echo root")
	o := d.run(spool.Run{Interpreter: []string{"sh"}, Account: "nobody"}, script, []byte("stdin\n"))
	d.want(o, task.Failed, task.NoReason) // test -w / fails
	if got := d.kept(0); got != "nobody\n/nonexistent nobody\nstdin\n" || d.kept(1) != "to-stderr\n" {
		t.Errorf("stdout is %q, stderr is %q", got, d.kept(1))
	}
}

func TestAnotherAccountReadsItsScriptUnderAnyUmask(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	defer unix.Umask(unix.Umask(0o077))
	d := newDisk(t)
	o := d.run(spool.Run{Interpreter: []string{"sh"}, Account: "nobody"}, []byte("id -un; cat /dev/stdin; umask"), []byte("stdin\n"))
	d.want(o, task.Succeeded, task.NoReason)
	if got := d.kept(0); got != "nobody\nstdin\n0022\n" {
		t.Errorf("stdout is %q, stderr is %q", got, d.kept(1))
	}
}

func TestAnOrdinaryUserCannotBecomeAnotherAccount(t *testing.T) {
	if os.Geteuid() == 0 {
		if out, err := exec.Command("setpriv", "--reuid=65534", "--clear-groups", "true").CombinedOutput(); err != nil {
			t.Skipf("cannot become an ordinary user here: %v %s", err, out)
		}
	}
	d := newDisk(t)
	d.accept(spool.Run{Argv: []string{"true"}, Account: "root"}, nil, nil)
	c := d.open()
	cmd := exec.Command(program, d.root.Path("c"), "1")
	if os.Geteuid() == 0 {
		cmd = exec.Command("setpriv", "--reuid=65534", "--clear-groups", copyOf(t, program), d.root.Path("c"), "1")
		giveAway(t, d.path)
	}
	cmd.Env = marked()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	d.want(d.outcome(c), task.StartFailed, task.NoPermission)
}

// giveAway makes everything in the directory, and the way to it, nobody's.
func giveAway(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("chown", "-R", "65534", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for at := filepath.Dir(dir); at != "/tmp" && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func copyOf(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	giveAway(t, dir)
	if out, err := exec.Command("cp", path, dir+"/p").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	return dir + "/p"
}

func TestTheEnvironmentIsNewAndDeclaredEntriesWin(t *testing.T) {
	t.Setenv("LEAK", "from the executor")
	d := newDisk(t)
	o := d.run(spool.Run{
		Argv: []string{"env"},
		Env:  []string{"GREETING=a b", "LANG=C", "HOME=/elsewhere", spool.MarkName + "=forged"},
	}, nil, nil)
	d.want(o, task.Succeeded, task.NoReason)
	got := d.kept(0)
	for _, want := range []string{"GREETING=a b\n", "LANG=C\n", "HOME=/elsewhere\n", "CCS_COMMAND_ID=c\n", "CCS_ATTEMPT=1\n", "PATH=/usr/local/sbin:"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if strings.Contains(got, "LEAK") || strings.Contains(got, "forged") || strings.Count(got, "LANG=") != 1 {
		t.Errorf("the environment is %q", got)
	}
}

func TestAScriptRunsUnderItsInterpreterWithItsArguments(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{Interpreter: []string{"sh", "-eu"}, Dir: "/usr"}, []byte("pwd\nread line\necho got $line\nfalse\necho no"), []byte("data\n"))
	d.want(o, task.Failed, task.NoReason)
	if got := d.kept(0); got != "/usr\ngot data\n" {
		t.Errorf("stdout is %q", got)
	}
}

func TestADamagedScriptIsNotRun(t *testing.T) {
	d := newDisk(t)
	c := d.accept(spool.Run{Interpreter: []string{"sh"}}, []byte("echo one"), nil)
	script := d.root.Path("c") + "/script"
	if err := os.Chmod(script, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("echo two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.begin().Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.StartFailed, task.BadSpec)
}

func TestTheUsersProcessGetsDefaultSignals(t *testing.T) {
	const unnamed = 32 // neither the Go runtime nor os/signal touches it
	ignore(t, unnamed)
	d := newDisk(t)
	d.want(d.sh("grep -E 'SigIgn|SigBlk' /proc/self/status"), task.Succeeded, task.NoReason)
	if got := strings.Fields(d.kept(0)); len(got) != 4 || got[1] != "0000000000000000" || got[3] != "0000000000000000" {
		t.Errorf("blocked and ignored signals are %q", got)
	}
}

// ignore makes this process, and what it starts, ignore a signal for a test.
func ignore(t *testing.T, sig uintptr) {
	t.Helper()
	set := func(handler uintptr) {
		act := [4]uintptr{handler}
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0); errno != 0 {
			t.Fatalf("cannot set signal %d: %v", sig, errno)
		}
	}
	set(1)
	t.Cleanup(func() { set(0) })
}

func TestNothingOfTheEndProcessIsOpenInTheUsersProcess(t *testing.T) {
	d := newDisk(t)
	d.want(d.sh("ls /proc/self/fd"), task.Succeeded, task.NoReason)
	if got := d.kept(0); got != "0\n1\n2\n3\n" { // 3: ls reads the directory
		t.Errorf("open are %q", got)
	}
}

func TestAnEndProcessIsSmall(t *testing.T) {
	st, err := os.Stat(program)
	if err != nil || st.Size() > 2_200_000 {
		t.Errorf("the program has %d bytes", st.Size())
	}
	out, err := exec.Command("go", "list", "-deps", "github.com/ccs-project/ccs/cmd/endprocess").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"fmt", "encoding/json", "log/slog", "os/exec", "net", "google.golang.org/grpc", "os/user"} {
		if strings.Contains("\n"+string(out), "\n"+heavy+"\n") {
			t.Errorf("it imports %s", heavy)
		}
	}
	d := newDisk(t)
	c := d.accept(spool.Run{Argv: []string{"sleep", "60"}}, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	status, err := os.ReadFile("/proc/" + itoa(cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); f[0] == "VmRSS:" {
			t.Logf("resident memory: %s kB, program: %d bytes", f[1], st.Size())
			if len(f[1]) > 4 || f[1] > "3072" && len(f[1]) == 4 {
				t.Errorf("resident memory is %s kB", f[1])
			}
		}
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Canceled, task.Killed)
}

func TestNothingStartsAfterTheStartBy(t *testing.T) {
	d := newDisk(t)
	witness := filepath.Join(t.TempDir(), "witness")
	spec := spool.Spec{
		ID: "c", StartBy: time.Now().Add(-time.Millisecond), RememberUntil: time.Now().Add(time.Hour),
		Run: spool.Run{Argv: []string{"touch", witness}, Keep: 1},
	}
	if err := d.root.Accept(spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	c := d.open()
	if err := d.begin().Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Expired, task.StartByPassed)
	if exists(witness) {
		t.Error("it was started")
	}
}
