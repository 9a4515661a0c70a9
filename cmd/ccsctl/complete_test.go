package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ccs-project/ccs/pkg/client"
)

// complete asks for completions as the shells do. Its transcript shows what the
// shell is handed: the words with their descriptions, and the directive.
func (r *rig) complete(ctx context.Context, words ...string) string {
	r.t.Helper()
	r.run(ctx, append([]string{"__complete"}, words...)...)
	return r.stdout
}

func TestTheShellCompletesWhatTheServersKnow(t *testing.T) {
	transcript(t, "complete", func(ctx context.Context, r *rig) {
		r.run(ctx, "run", "--room", "bj01", "--detach", "--class", "critical", "--", "sleep", "60")
		r.run(ctx, "job", "pause", "JOB")
		r.run(ctx, "run", "--room", "sh01", "--detach", "--", "sleep", "90")
		r.access.outcome = mixed
		r.run(ctx, "run", "--all", "--", "sh", "-c", "df -h /data | tail -1 | awk '{print $5}' | tr -d %")
		for _, line := range [][]string{
			{""},
			{"job", ""},
			{"run", "--hosts", "h"},
			{"run", "--hosts", "h1,h2,h"},
			{"run", "--hosts=h8"},
			{"run", "--hosts", "x"},
			{"run", "--room", ""},
			{"run", "--room", "bj01,"},
			{"host", "list", "--room", "s"},
			{"run", "-l", ""},
			{"run", "-l", "ro"},
			{"run", "--selector", "app="},
			{"run", "--selector", "app!=w"},
			{"run", "--selector", "app=web,room=s"},
			{"run", "--selector", "app in ("},
			{"run", "--selector", "app in (web, "},
			{"run", "--selector", "app in (web,api),room"},
			{"run", "--selector", "!a"},
			{"run", "--selector", "fact.os="},
			{"run", "--selector", "app=web room"},
			{"run", "--class", ""},
			{"run", "--on-timeout", ""},
			{"run", "--on-failure", ""},
			{"run", "--tolerate", "failed,"},
			{"run", "--recovery", ""},
			{"run", "--batch", ""},
			{"run", "--all", "--", ""},
			{"job", "pause", ""},
			{"job", "resume", ""},
			{"job", "resume", "JOB", ""},
			{"job", "resume", "JOB", "--by", ""},
			{"job", "retry", "", "--outcome", "l"},
			{"job", "summary", ""},
			{"job", "get", ""},
			{"job", "get", "00dc6acf"},
			{"job", "get", "JOB", ""},
			{"job", "list", "--state", "r"},
			{"job", "list", "--submitter", ""},
			{"job", "list", "-o", ""},
			{"explain", ""},
			{"explain", "JOB", "h"},
			{"output", "JOB", "h3"},
			{"output", "JOB", "h3", ""},
			{"host", "get", "h7"},
			{"task", "list", "JOB", "--state", "s"},
			{"task", "list", "JOB", "--state", "failed,s"},
			{"task", "list", "JOB", "--host", "h1"},
			{"config", ""},
		} {
			r.complete(ctx, line...)
		}
	})
}

func TestCompletionIsSilentWhereThereIsNothingToAsk(t *testing.T) {
	lines := [][]string{
		{"run", "--hosts", ""},
		{"run", "--room", ""},
		{"run", "-l", "app="},
		{"job", "get", ""},
		{"explain", "x", ""},
		{"host", "get", ""},
	}
	quiet := func(r *rig, ctx context.Context, why string) {
		r.t.Helper()
		for _, line := range lines {
			began := time.Now()
			got := r.complete(ctx, line...)
			if words, _, _ := strings.Cut(got, ":"); words != "" || strings.Contains(got, "ccsctl: ") {
				r.t.Errorf("%s: %v completed %q", why, line, got)
			}
			if took := time.Since(began); took > completeFor {
				r.t.Errorf("%s: %v took %s", why, line, took)
			}
		}
	}
	inBubble(t, func(ctx context.Context, r *rig) {
		r.access.fail = func(method string) error { return only(method, codes.Unavailable)(method) }
		quiet(r, ctx, "the servers are away")
		r.access.fail = func(string) error { wait(time.Minute); return nil }
		quiet(r, ctx, "the servers do not answer")
		wait(time.Hour)
		r.access.fail = only("", codes.OK)
		r.env = map[string]string{"HOME": r.dir}
		quiet(r, ctx, "nothing is configured")
		r.write("bad.yaml", "addresses: [")
		r.env["CCSCTL_CONFIG"] = r.dir + "/bad.yaml"
		quiet(r, ctx, "the configuration is broken")
		r.open = func(client.Config) (*client.Client, error) { return nil, &client.Error{Message: "no key"} }
		quiet(r, ctx, "there is no key")
	})
}

func TestEveryShellHasItsScript(t *testing.T) {
	inBubble(t, func(ctx context.Context, r *rig) {
		for shell, want := range map[string]string{"bash": "complete -o default -F __start_ccsctl", "zsh": "#compdef ccsctl", "fish": "complete -c ccsctl"} {
			if status := r.run(ctx, "completion", shell); status != exitOK || !strings.Contains(r.stdout, want) {
				r.t.Errorf("%s: exit status %d", shell, status)
			}
		}
	})
}

// tryBash completes command lines in a real bash; what the program would answer
// to any of them is given. Of bash-completion it has no more than the words.
const tryBash = `
source "$1"
ccsctl() { printf '%s\n' "${answer[@]}" :38; }
compopt() { :; }
_get_comp_words_by_ref() { words=("${typed[@]}"); cword=$((${#words[@]} - 1)); cur=${words[cword]}; prev=${words[cword - 1]}; }
split() { # as readline does, at those of COMP_WORDBREAKS that are typed here
	local word IFS=$' \n'
	COMP_WORDS=()
	for word; do COMP_WORDS+=(${word//=/ = }); done
}
try() {
	typed=("$@") COMP_LINE="$*" COMP_POINT=999 COMP_TYPE=9 COMPREPLY=()
	split "$@"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	__start_ccsctl
	printf '[%s]' "${COMPREPLY[@]%% *}"
	echo
}
answer=(h1,h2$'\t'bj01 h1,h3$'\t'sh01); try ccsctl run --hosts h1,h; try ccsctl run --hosts h1,h3
answer=(failed,lost failed,skipped); try ccsctl task list x --state failed,; try ccsctl task list x --state failed,l
answer=(app=web$'\t'4 app=api$'\t'4); try ccsctl run -l app=; try ccsctl run -l app=w
answer=(room=bj01,app=web$'\t'4); try ccsctl run -l room=bj01,app=
answer=('a b'$'\t'x); try ccsctl run --note a
answer=('!canary'); try ccsctl run -l '!can'
answer=('!canary'$'\t'x '!app'$'\t'y); try ccsctl run -l '!'; try ccsctl run -l '!a'
answer=('app=web,!canary'); try ccsctl run -l 'app=web,!can'
`

func TestBashCompletesListsThatAreSeparatedByCommas(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here to try the script in: install it")
	}
	var script, stderr bytes.Buffer
	a := &app{stdout: &script, stderr: &stderr, stdin: strings.NewReader("")}
	if status := a.run(t.Context(), []string{"completion", "bash"}); status != exitOK {
		t.Fatalf("exit status %d: %s", status, &stderr)
	}
	file := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(file, script.Bytes(), 0o600))
	got, err := exec.CommandContext(t.Context(), bash, "--norc", "-c", tryBash, "bash", file).CombinedOutput()
	must(t, err)
	want := `[h1,h2][h1,h3]
[h1,h3]
[failed,lost][failed,skipped]
[failed,lost]
[web][api]
[web]
[web]
[a\]
[!canary]
[!canary][!app]
[!app]
[web,!canary]
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
