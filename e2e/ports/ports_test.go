// Package ports proves who is let in where: every port of a running cluster is
// dialled with the certificate of every role, a foreign CA's, a stale one, and
// none. The table in testdata is the reviewed answer.
package ports

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
)

const golden = "testdata/matrix.txt"

const title = `Who is let in where. One row per port, one column per certificate that was shown; yes: let in, -: refused.
The certificates of the first columns are of the cluster's CA; "foreign" stands for every role of another CA,
"expired" for every role with a certificate of yesterday, "etcd's" for every certificate of etcd's own CA.
Written by e2e/ports (go test ./e2e/ports -rewrite).

`

func TestEachPortLetsInOnlyThoseWhoBelongThere(t *testing.T) {
	rewrite := rewriting()
	c := rig.Start(t, devcluster.Options{Hosts: 2})
	shown := certificates(t, c)
	rows := map[string][]string{}
	var order []string
	for _, l := range c.Listeners() {
		name := l.Tier + " " + l.Key
		answers := make([]string, len(shown))
		for i, s := range shown {
			answers[i] = s.dial(t, l)
		}
		if first, ok := rows[name]; ok {
			if !slices.Equal(first, answers) {
				t.Errorf("%s of %s answers %v, and another one of its kind %v", name, l.Process, answers, first)
			}
			continue
		}
		rows[name], order = answers, append(order, name)
	}
	got := title + table(shown, order, rows) + "\n" + socketTable(t, c)
	if rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the matrix is not the committed one (go test ./e2e/ports -rewrite, then review it). It is\n%s\nand was\n%s", got, want)
	}
}

// rewriting reads -rewrite, which the test's own flags have only while it runs.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

func TestMain(m *testing.M) {
	if asStranger() {
		return
	}
	flag.Bool("rewrite", false, "write the table anew instead of comparing it")
	flag.Parse()
	os.Exit(m.Run())
}

func table(shown []shown, order []string, rows map[string][]string) string {
	var b strings.Builder
	width := 0
	for _, name := range order {
		width = max(width, len(name))
	}
	fmt.Fprintf(&b, "%-*s", width, "port")
	for _, s := range shown {
		fmt.Fprintf(&b, "  %s", s.name)
	}
	b.WriteString("\n")
	for _, name := range order {
		var line strings.Builder
		fmt.Fprintf(&line, "%-*s", width, name)
		for i, s := range shown {
			fmt.Fprintf(&line, "  %-*s", len(s.name), rows[name][i])
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
