// Package outcomes proves what becomes of a job on eight hosts: each outcome,
// exit codes, outputs byte for byte, and that what is asked of a command is
// what the command gets.
package outcomes

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 8

// cluster is what the parts of the test share; they do not disturb each other.
type cluster struct{ *rig.Cluster }

// TestAJobOnEightHosts shares one cluster: its parts do not disturb each other.
func TestAJobOnEightHosts(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts})}
	t.Run("ends as its command ends", c.endsAsItsCommandEnds)
	t.Run("brings back outputs byte for byte", c.bringsBackOutputs)
	t.Run("says how much of an output it cut", c.saysHowMuchItCut)
	t.Run("gives a command what was asked", c.givesWhatWasAsked)
	t.Run("runs a script with its interpreter", c.runsAScript)
	t.Run("kills the whole tree at the timeout", c.killsAtTheTimeout)
	t.Run("stops what runs when it is canceled", c.stopsWhenCanceled)
	t.Run("keeps to its concurrency", c.keepsToItsConcurrency)
	t.Run("submitted twice is one job", c.submittedTwice)
	t.Run("goes only where its selector points", c.goesWhereItsSelectorPoints)
	t.Run("pings without starting anything", c.pings)
	t.Run("of a key that hosts do not know is refused", c.ofAnUnknownKey)
	t.Run("of class critical is the critical pool's", c.ofClassCritical)
}

func (c cluster) endsAsItsCommandEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		command client.Command
		word    string
	}{
		{client.Command{Argv: []string{"true"}}, "SUCCEEDED"},
		{client.Command{Argv: []string{"false"}}, "FAILED status 1"},
		{rig.Sh("exit 7"), "FAILED status 7"},
		{rig.Sh("exit 255"), "FAILED status 255"},
		{rig.Sh("kill -SEGV $$"), "FAILED signaled signal 11"},
		{client.Command{Argv: []string{"/no/such/program"}}, "START_FAILED no_file"},
		{client.Command{Argv: []string{"no-such-program"}}, "START_FAILED no_file"},
		{client.Command{Argv: []string{"/etc/passwd"}}, "START_FAILED no_permission"},
		{client.Command{Argv: []string{"true"}, RunAs: "no-such-account"}, "START_FAILED no_account"},
	} {
		t.Run(row.word+" "+strings.Join(row.command.Argv, " "), func(t *testing.T) {
			j := c.Run(t, client.Request{Command: row.command})
			rig.WantAll(t, c.Settled(t, j.ID), hosts, row.word)
		})
	}
}

func (c cluster) bringsBackOutputs(t *testing.T) {
	t.Parallel()
	source := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, 4096, 4097, 300_000} {
		want := make([]byte, size)
		_, _ = source.Read(want) // never fails
		j := c.Run(t, client.Request{Command: client.Command{Argv: []string{"sh", "-c", "tee /dev/stderr"}, Stdin: want}})
		tasks := c.Settled(t, j.ID)
		rig.WantAll(t, tasks, hosts, "SUCCEEDED")
		for host, task := range tasks {
			for name, ref := range map[string]client.OutputRef{"stdout": task.Stdout, "stderr": task.Stderr} {
				if got := c.Output(t, j.ID, ref); !bytes.Equal(got, want) || ref.Size != uint64(size) || ref.Cut != 0 {
					t.Errorf("%s of %s: %d bytes (said %d, cut %d), want the %d that it wrote", name, host, len(got), ref.Size, ref.Cut, size)
				}
			}
		}
	}
}

func (c cluster) saysHowMuchItCut(t *testing.T) {
	t.Parallel()
	j := c.Run(t, client.Request{Command: client.Command{Argv: []string{"seq", "1", "20000"}, OutputLimit: 10_000}})
	var all bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintln(&all, i+1)
	}
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "SUCCEEDED")
	for host, task := range tasks {
		want := slices.Concat(all.Bytes()[:5_000], all.Bytes()[all.Len()-5_000:])
		if got := c.Output(t, j.ID, task.Stdout); !bytes.Equal(got, want) || task.Stdout.Cut != uint64(all.Len()-10_000) || task.Stdout.Tail != 5_000 {
			t.Errorf("%s: %d bytes kept, %d said to be cut of %d", host, len(got), task.Stdout.Cut, all.Len())
		}
	}
}

func (c cluster) givesWhatWasAsked(t *testing.T) {
	t.Parallel()
	j := c.Run(t, client.Request{Command: client.Command{
		Argv: []string{"sh", "-c", `pwd; echo "$GREETING"; cat; printf '%s\n' "$@"`, "sh", "two words", "$HOME", ""},
		Env:  []string{"GREETING=hello to you"}, Cwd: "/usr", Stdin: []byte("from stdin\n"),
	}})
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "SUCCEEDED")
	want := "/usr\nhello to you\nfrom stdin\ntwo words\n$HOME\n\n"
	for host, task := range tasks {
		if got := string(c.Output(t, j.ID, task.Stdout)); got != want {
			t.Errorf("%s said %q, want %q", host, got, want)
		}
		if len(task.Signature) == 0 {
			t.Errorf("the result of %s is not signed", host)
		}
	}
}

func (c cluster) runsAScript(t *testing.T) {
	t.Parallel()
	padding := strings.Repeat("# a script above the size that rides in a command\n", 1000)
	j := c.Run(t, client.Request{Command: client.Command{
		Script: []byte(padding + "{ print $1 * 2; exit 3 }\n"), Interpreter: []string{"awk", "-f"}, Stdin: []byte("21\n"),
	}})
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "FAILED status 3")
	for host, task := range tasks {
		if got := string(c.Output(t, j.ID, task.Stdout)); got != "42\n" {
			t.Errorf("%s said %q; stderr %q", host, got, c.Output(t, j.ID, task.Stderr))
		}
	}
}

func (c cluster) killsAtTheTimeout(t *testing.T) {
	t.Parallel()
	w := rig.NewWitness(t)
	script := "trap '' TERM; " + w.Says("$$") + "sh -c '" + w.Says("$$") + "while :; do sleep 1; done' & while :; do sleep 1; done"
	j := c.Run(t, client.Request{Command: client.Command{Argv: []string{"sh", "-c", script}, Timeout: 3 * time.Second, Grace: time.Second}})
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "TIMED_OUT timeout signal 9")
	pids := w.Lines(t)
	if len(pids) != 2*hosts {
		t.Errorf("%d processes were started, want %d", len(pids), 2*hosts)
	}
	nobodyLives(t, pids)
}

func nobodyLives(t *testing.T, pids []string) {
	t.Helper()
	for _, text := range pids {
		if pid, err := strconv.Atoi(text); err != nil || rig.Alive(pid) {
			t.Errorf("process %s of the command is still alive (%v)", text, err)
		}
	}
}

func (c cluster) stopsWhenCanceled(t *testing.T) {
	t.Parallel()
	w := rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Sh(w.Says("$$") + "exec sleep 300"), Concurrency: client.Amount{Count: 3}})
	w.Await(t, 3)
	if _, err := c.SDK.Cancel(t.Context(), j.ID, client.Cancel{}); err != nil {
		t.Fatal(err)
	}
	words := map[string]int{}
	for _, task := range c.Settled(t, j.ID) {
		words[rig.Word(task)]++
	}
	if words["CANCELED killed signal 15"] != 3 || words["SKIPPED job_canceled"] != hosts-3 {
		t.Errorf("the tasks ended %v", words)
	}
	nobodyLives(t, w.Lines(t))
}

func (c cluster) keepsToItsConcurrency(t *testing.T) {
	t.Parallel()
	w := rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Sh(w.Says("begin") + "sleep 0.1; " + w.Says("end")), Concurrency: client.Amount{Count: 2}})
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	running, most := 0, 0
	for _, line := range w.Lines(t) {
		running += map[string]int{"begin": 1, "end": -1}[line]
		most = max(most, running)
	}
	if most > 2 || len(w.Lines(t)) != 2*hosts {
		t.Errorf("%d ran at a time; the witness saw %v", most, w.Lines(t))
	}
}

func (c cluster) submittedTwice(t *testing.T) {
	t.Parallel()
	w := rig.NewWitness(t)
	r := client.Request{All: true, Command: rig.Sh(w.Says("started"))}
	targets, err := c.SDK.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.SDK.Sign(r, targets)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if j, err := c.SDK.Submit(t.Context(), signed); err != nil || j.ID != signed.ID {
			t.Fatalf("submitted again it is %s, %v", j.ID, err)
		}
	}
	rig.WantAll(t, c.Settled(t, signed.ID), hosts, "SUCCEEDED")
	if _, err := c.SDK.Submit(t.Context(), signed); err != nil {
		t.Error(err)
	}
	if n := len(w.Lines(t)); n != hosts {
		t.Errorf("%d starts on %d hosts", n, hosts)
	}
}

func (c cluster) goesWhereItsSelectorPoints(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		"room=bj01":                "h1 h2 h3 h4",
		"app in (web,api),!canary": "h2 h3 h6 h7",
		"room=sh01,app=db":         "h8",
	} {
		j := c.Run(t, client.Request{Selector: selector, Command: rig.Sh("true")})
		tasks := c.Settled(t, j.ID)
		for host := range strings.FieldsSeq(want) {
			if task, ok := tasks[host]; !ok || task.State != "SUCCEEDED" {
				t.Errorf("%s: %s ended %q", selector, host, task.State)
			}
		}
		if len(tasks) != len(strings.Fields(want)) {
			t.Errorf("%s: %d tasks, want those of %s", selector, len(tasks), want)
		}
	}
}

func (c cluster) pings(t *testing.T) {
	t.Parallel()
	j := c.Run(t, client.Request{Command: client.Command{Ping: true}})
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "SUCCEEDED")
	for host := range tasks {
		if found := rig.Processes(t, j.ID); len(found) > 0 {
			t.Errorf("%s has started %v for a ping", host, found)
		}
	}
}

func (c cluster) ofClassCritical(t *testing.T) {
	t.Parallel()
	j := c.Run(t, client.Request{Class: "critical", Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	if j.Pool != "critical" {
		t.Errorf("it is of pool %q", j.Pool)
	}
}
