package hosttorture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/client"
)

func TestTheVerdictSeesWhatIsWrong(t *testing.T) {
	good := client.Task{State: "SUCCEEDED", Attempt: 1}
	for name, c := range map[string]struct {
		kind   string // of an ordinary command if empty
		lines  string // of the witness
		task   client.Task
		struck struck
		want   string // part of the fault; empty: there is none
	}{
		"nothing":                       {lines: "begin 1\nend 1 0\n", task: good},
		"started twice":                 {lines: "begin 1\nbegin 1\nend 1 0\n", task: good, want: "an attempt was started twice"},
		"started again":                 {lines: "begin 1\nbegin 2\nend 2 0\n", task: client.Task{State: "SUCCEEDED", Attempt: 2}, want: "it was started twice"},
		"never begun":                   {task: good, want: "it never began"},
		"never ended":                   {lines: "begin 1\n", task: good, want: "its end is another"},
		"another status":                {lines: "begin 1\nend 1 3\n", task: good, want: "its end is another"},
		"failed":                        {lines: "begin 1\nend 1 1\n", task: client.Task{State: "FAILED", ExitCode: 1, Attempt: 1}, want: "it should be SUCCEEDED"},
		"lost without a reason":         {lines: "begin 1\n", task: client.Task{State: "LOST", Reason: "rebooted", Attempt: 1}, want: "nobody rebooted"},
		"lost without a killer":         {lines: "begin 1\n", task: client.Task{State: "LOST", Reason: "supervisor_lost", Attempt: 1}, want: "nobody killed its end-process"},
		"not started for nothing":       {task: client.Task{State: "START_FAILED", Reason: "no_resources", Attempt: 1}, want: "it could have been started"},
		"never heard":                   {lines: "begin 1\nend 1 0\n", task: client.Task{State: "UNKNOWN", Attempt: 1}, want: "it should be SUCCEEDED"},
		"rerun without need":            {kind: "starts again", lines: "begin 1\nbegin 2\nend 2 0\n", task: client.Task{State: "SUCCEEDED", Attempt: 2}, want: "without need"},
		"lost, and not run again":       {kind: "starts again", lines: "begin 1\n", task: client.Task{State: "LOST", Reason: "rebooted", Attempt: 1}, struck: struck{rebooted: true}, want: "it was to be started again"},
		"rerun after a reboot":          {kind: "starts again", lines: "begin 1\nbegin 2\nend 2 0\n", task: client.Task{State: "SUCCEEDED", Attempt: 2}, struck: struck{rebooted: true}},
		"lost by a reboot":              {lines: "begin 1\n", task: client.Task{State: "LOST", Reason: "rebooted", Attempt: 1}, struck: struck{rebooted: true}},
		"canceled before the start":     {kind: "canceled", task: client.Task{State: "CANCELED", Reason: "before_start", Attempt: 1}},
		"canceled, and begun before":    {kind: "canceled", lines: "begin 1\n", task: client.Task{State: "CANCELED", Reason: "before_start", Attempt: 1}, want: "it began"},
		"output missing for nothing":    {kind: "writes much", lines: "begin 1\nend 1 0\n", task: client.Task{State: "SUCCEEDED", Attempt: 1, Message: "the end of the output may be missing"}, want: "nothing has taken"},
		"output missing after a killer": {kind: "writes much", lines: "begin 1\nend 1 0\n", task: client.Task{State: "SUCCEEDED", Attempt: 1, Message: "the end of the output may be missing"}, struck: struck{ended: true}},
		"another output":                {kind: "writes much", lines: "begin 1\nend 1 0\n", task: good, want: "output 1 is another"},
		"began though there is no":      {kind: "no such program", lines: "begin 1\n", task: client.Task{State: "START_FAILED", Reason: "no_file", Attempt: 1}, want: "it began"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &work{kind: c.kind, witness: filepath.Join(t.TempDir(), "witness"), task: c.task, want: exits(0), rerun: c.kind == "starts again"}
			switch c.kind {
			case "writes much":
				w.want.out = [2]string{digest([]byte("a")), digest([]byte("b"))}
			case "canceled":
				w.cancel, w.want = "at once", want{state: "CANCELED"}
			case "no such program":
				w.want = want{state: "START_FAILED", reason: "no_file"}
			}
			if err := os.WriteFile(w.witness, []byte(c.lines), 0o600); err != nil {
				t.Fatal(err)
			}
			faults := strings.Join(w.judge(c.struck), "\n")
			if c.want == "" && faults != "" || !strings.Contains(faults, c.want) {
				t.Errorf("the verdict says %q, want %q", faults, c.want)
			}
		})
	}
}
