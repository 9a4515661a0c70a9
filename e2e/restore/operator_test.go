package restore

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// operator does what docs/backup.md says, to the letter: its lines are run by a
// shell, with the paths of the test for those of an installation.
type operator struct {
	cluster
	kind
	backups string // for /backup
}

func (o operator) backup(t *testing.T) { t.Helper(); o.run(t, o.saves) }

func (o operator) restore(t *testing.T) { t.Helper(); o.run(t, o.loads) }

// dayOfThePage is that of the backup that the page restores.
const dayOfThePage = "2026-03-01"

func (o operator) run(t *testing.T, commands []command) {
	t.Helper()
	paths := strings.NewReplacer(
		"/etc/ccs/scheduler.yaml", filepath.Join(o.Dir(), "etc", schedulers[0]+".yaml"),
		"/backup/", o.backups+"/", "$(date +%F)", today(), dayOfThePage, today(),
	)
	for _, c := range commands {
		line := paths.Replace(documented(t, c.line))
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", line)
		cmd.Env = append(os.Environ(), append(o.env, "PATH="+o.Bin+":"+o.path+":"+os.Getenv("PATH"))...)
		said, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(said), c.said) || c.said == "" && len(said) > 0 {
			t.Fatalf("%s\n%s(%v) want it to say %q", line, said, err, c.said)
		}
	}
}

func today() string { return time.Now().Format(time.DateOnly) }

// documented is the one command of docs/backup.md that begins so.
func documented(t *testing.T, begins string) (line string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "backup.md"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(page)) {
		if command := strings.TrimSpace(text); strings.HasPrefix(command, begins) {
			if line != "" {
				t.Fatalf("docs/backup.md has two commands %s", begins)
			}
			line = command
		}
	}
	if line == "" {
		t.Fatalf("docs/backup.md has no command %s", begins)
	}
	return strings.Trim(line, "`")
}
