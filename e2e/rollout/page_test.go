package rollout

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
)

// The page for operators shows a session. It is held here, and every line that the
// page shows is one that was said.
func TestTheSessionOnTheRolloutPageIsWhatHappens(t *testing.T) {
	page, err := os.ReadFile("../../docs/rollout.md")
	if err != nil {
		t.Fatal(err)
	}
	session := sessionOf(string(page))
	if len(session) < 10 {
		t.Fatalf("the page shows only %d commands", len(session))
	}
	c := cluster{rig.Start(t, devcluster.Options{Hosts: 8})}
	scripts := writeScripts(t)
	job := ""
	for _, step := range session {
		args := strings.Fields(step.command)
		for i, arg := range args {
			if script, has := scripts[arg]; has {
				args[i] = script
			}
			if arg == "JOB" {
				args[i] = job
			}
		}
		said := c.ctl(t, step.status, args...)
		if id := anyJob.FindString(said.Err); job == "" {
			job = id
		}
		for _, line := range step.shown {
			if !strings.Contains(alike(said.Out+"\n"+said.Err), alike(line)) {
				t.Errorf("ccsctl %s\nshows on the page\n%s\nand said\n%s%s", step.command, line, said.Out, said.Err)
			}
		}
	}
}

// writeScripts makes what the session runs: the first fails on h3.
func writeScripts(t *testing.T) map[string]string {
	t.Helper()
	dir, scripts := rig.Dir(t), map[string]string{}
	for name, script := range map[string]string{
		"restart.sh": "case $(readlink /proc/$$/fd/1) in */executor-h3/*) echo 'nginx: unexpected \"}\" in nginx.conf:7' >&2; exit 1;; esac\n",
		"mended.sh":  "echo restarted\n",
	} {
		scripts[name] = filepath.Join(dir, name)
		if err := os.WriteFile(scripts[name], []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return scripts
}

// step is a command of a session, and the lines that are shown of what it said.
type step struct {
	command string // without the name of the program
	status  int
	shown   []string
}

var (
	fence   = regexp.MustCompile("(?s)```\n(.*?)```")
	typed   = regexp.MustCompile(`^\$ ccsctl (.*?)(?: +# exit status (\d+))?$`)
	anyJob  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\bJOB\b`)
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z| [+-]\d{4})`)
	anySpan = regexp.MustCompile(`\b\d[\d.]*( ?ms| ?s|m\d*s?)\b`)
	indents = regexp.MustCompile(`(?m)^ +| +$`)
	spaces  = regexp.MustCompile(` +`)
)

// sessionOf are the steps in the blocks of a page; "..." stands for lines that are
// not shown.
func sessionOf(page string) (steps []step) {
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if found := typed.FindStringSubmatch(line); found != nil {
				status, _ := strconv.Atoi(found[2]) // digits, or none for 0
				steps = append(steps, step{command: found[1], status: status})
			} else if last := len(steps) - 1; last >= 0 && line != "..." {
				steps[last].shown = append(steps[last].shown, line)
			}
		}
	}
	return steps
}

// alike is a text without what differs from one time to the next, as whole lines.
func alike(text string) string {
	text = anyJob.ReplaceAllString(text, "JOB")
	text = indents.ReplaceAllString(text, "")
	text = anySpan.ReplaceAllString(anyTime.ReplaceAllString(text, "TIME"), "SPAN")
	return "\n" + strings.TrimSpace(spaces.ReplaceAllString(text, " ")) + "\n"
}
