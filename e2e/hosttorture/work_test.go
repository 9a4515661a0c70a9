package hosttorture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// work is one command on one host: what it was drawn as, and what CCS says of it
// in the end.
type work struct {
	kind     string
	host     string
	witness  string // file outside CCS in which it leaves lines
	command  client.Command
	want     want
	cancel   string // when it is canceled: "", at once, running
	rerun    bool
	id       string
	task     client.Task
	from, to time.Time // it was submitted, and seen to be done
}

// want is how it ends unless its end-process is killed or the power is lost.
type want struct {
	state, reason string
	exit, signal  int // signal: of what FAILED
	begun, ended  bool
	out           [2]string // digests of its outputs; empty: not looked at
}

// says wraps what a command does in two lines for the witness.
func (w *work) says(script string) client.Command {
	return rig.Sh(fmt.Sprintf(`W=%s; echo "begin $CCS_ATTEMPT" >>$W; %s; status=$?; echo "end $CCS_ATTEMPT $status" >>$W; exit $status`, w.witness, script))
}

const outputBytes = 200_000

// kinds are what commands do. Each says what it must end as.
var kinds = []struct {
	name string
	draw func(w *work, r *rand.Rand)
}{
	{"quick", func(w *work, r *rand.Rand) {
		status := r.IntN(3)
		w.command, w.want = w.says(fmt.Sprintf("(exit %d)", status)), exits(status)
	}},
	{"slow", func(w *work, r *rand.Rand) {
		status := r.IntN(2)
		w.command, w.want = w.says(fmt.Sprintf("sleep %d.%d; (exit %d)", r.IntN(5), r.IntN(10), status)), exits(status)
	}},
	{"writes much", func(w *work, _ *rand.Rand) {
		w.command = w.says(fmt.Sprintf(`head -c %d /dev/zero | tr '\0' a; head -c %d /dev/zero >&2`, outputBytes, outputBytes))
		w.want = exits(0)
		w.want.out = [2]string{digest(bytes.Repeat([]byte("a"), outputBytes)), digest(make([]byte, outputBytes))}
	}},
	{"reads its input", func(w *work, r *rand.Rand) {
		stdin := make([]byte, 50_000)
		for i := range stdin {
			stdin[i] = byte(r.IntN(256))
		}
		w.command, w.want = w.says("cat"), exits(0)
		w.command.Stdin = stdin
		w.want.out[0] = digest(stdin)
	}},
	{"script", func(w *work, _ *rand.Rand) {
		w.command, w.want = w.says("sleep 0.2"), exits(0)
		w.command.Script, w.command.Argv = []byte(w.command.Argv[2]), nil
	}},
	{"timed out", func(w *work, _ *rand.Rand) {
		w.command = w.says(`trap "" TERM; sleep 600 & sleep 600`)
		w.command.Timeout, w.command.Grace = time.Second, 300*time.Millisecond
		w.want = want{state: "TIMED_OUT", reason: "timeout", begun: true}
	}},
	{"overdue", func(w *work, _ *rand.Rand) {
		w.command, w.want = w.says("sleep 1.5"), exits(0)
		w.command.Timeout, w.command.TimeoutAction = 300*time.Millisecond, client.Report
	}},
	{"canceled", func(w *work, r *rand.Rand) {
		w.command = w.says("sleep 600")
		w.command.Grace = 300 * time.Millisecond
		w.cancel = []string{"at once", "running"}[r.IntN(2)]
		w.want = want{state: "CANCELED", begun: w.cancel == "running"}
	}},
	{"leaves a daemon", func(w *work, _ *rand.Rand) {
		w.command = w.says(`env -i setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; : ` + w.witness + `; done' & true`)
		w.want = exits(0)
	}},
	{"dies by a signal", func(w *work, _ *rand.Rand) {
		w.command = w.says("kill -SEGV $$; sleep 9")
		w.want = want{state: "FAILED", reason: "signaled", signal: 11, begun: true}
	}},
	{"no such program", func(w *work, _ *rand.Rand) {
		w.command = client.Command{Argv: []string{"/no/such/program"}}
		w.want = want{state: "START_FAILED", reason: "no_file"}
	}},
	{"starts again", func(w *work, r *rand.Rand) {
		w.command, w.want = w.says(fmt.Sprintf("sleep %d.%d", 1+r.IntN(4), r.IntN(10))), exits(0)
		w.command.Attempts, w.rerun = attempts, true
	}},
}

// attempts is more often than one command is struck.
const attempts = 20

func exits(status int) want {
	if status == 0 {
		return want{state: "SUCCEEDED", begun: true, ended: true}
	}
	return want{state: "FAILED", exit: status, begun: true, ended: true}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// draw makes up a command for one of the hosts.
func draw(r *rand.Rand, witness, root string) *work {
	k := kinds[r.IntN(len(kinds))]
	w := &work{kind: k.name, witness: witness, host: fmt.Sprintf("h%d", 1+r.IntN(hosts))}
	k.draw(w, r)
	w.command.Env = append(w.command.Env, markName+"="+root) // by which its processes are found
	return w
}

// markName names the variable that all processes of commands inherit, but those
// that clear their environment.
const markName = "CCS_HOSTTORTURE"
