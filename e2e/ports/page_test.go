package ports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const page = "../../docs/ports-and-files.md"

// needed are the keys without which a binary does not print its configuration.
var needed = map[string][]string{
	"access":     {"DOMAIN=d", "TLS_CERT=c", "TLS_KEY=k", "TLS_CA=a", "ETCD_ENDPOINTS=e:1", "ETCD_TLS_CERT=c", "ETCD_TLS_KEY=k", "ETCD_TLS_CA=a"},
	"scheduler":  {"POOL=p", "STORE_DSN=sqlite:///s"},
	"aggregator": {"ROOM=r", "NAME=n"},
	"issuer":     {"CA_CERT=c", "CA_KEY=k", "TOKENS_FILE=t"},
	"agent":      {"DOMAIN=d.x", "HOST=h", "AGGREGATORS=a:1", "OPERATOR_KEY=k", "ISSUER=i:1", "ISSUER_CA=c", "JOIN_TOKEN_FILE=t"},
	"executor":   nil,
}

// isPort and isFile say which keys the page has to have a row for.
var (
	isPort = regexp.MustCompile(`(^|_)listen$|^socket$`)
	isFile = regexp.MustCompile(`(_dir|_file|_key|_cert|_ca|socket)$|^endprocess$|\.dsn$|^tls\.|\.tls\.|\.ca$`)
)

func TestThePageOfPortsAndFilesHasTheKeysAndDefaultsOfEveryBinary(t *testing.T) {
	text := read(t, page)
	said := map[string]string{} // process and key → default
	for _, row := range rows(text, `(?m)^\| ([a-z, ]+) \| `+"`([a-z_.]+)`"+` \| (?:`+"`([^`]*)`"+`)? ?\|`) {
		for process := range strings.SplitSeq(row[1], ", ") {
			said[process+" "+row[2]] = row[3]
		}
	}
	for process := range needed {
		for key, value := range defaults(t, process) {
			name := process + " " + key
			if !isPort.MatchString(key) && !isFile.MatchString(key) {
				continue
			}
			want, there := said[name]
			delete(said, name)
			if !there {
				t.Errorf("%s has no row for %s of %s", page, key, process)
			} else if set := slices.ContainsFunc(settings(process), func(s string) bool { return strings.HasPrefix(s, variable(key)+"=") }); !set && value != want {
				t.Errorf("%s of %s is %q by default, and the page says %q", key, process, value, want)
			}
		}
	}
	for name := range said {
		t.Errorf("%s has a row for %q, which no binary knows", page, name)
	}
}

func TestThePageOfPortsAndFilesHasEveryFileOfARunningClusterWithItsMode(t *testing.T) {
	text := read(t, page)
	said := map[string]string{} // name → mode
	for _, row := range rows(text, "(?m)^\\| `([^`]+)` \\| `((?:pipe )?0[0-7]{3})` \\|") {
		said[row[1]] = row[2]
	}
	c := rig.Start(t, devcluster.Options{Hosts: 1, Rooms: []string{"bj01"}, AggregatorsPerRoom: 1})
	gate, key := rig.NewWitness(t), rig.NewWitness(t)
	c.Run(t, client.Request{Command: client.Command{
		Script: []byte("echo a >>" + gate.Path + "; while [ ! -s " + key.Path + " ]; do sleep 0.05; done; cat; echo e >&2"), Stdin: []byte("x"),
	}})
	gate.Await(t, 1)
	seen := check(t, c, said) // while it runs
	key.Write(t, "go")
	rig.Eventually(t, func() string {
		for name := range check(t, c, said) {
			seen[name] = true
		}
		if !seen["commands/ID/exit.N"] {
			return "the command has no exit record"
		}
		return ""
	})
	for _, name := range []string{"commands/ID/attempt.N", "commands/ID/stdin", "commands/ID/stdout.N.fifo", "host.key", "ccs.db-wal", "spool/log.SEGMENT"} {
		if !seen[name] {
			t.Errorf("there was no %s: is this test still right?", name)
		}
	}
}

// check compares the files that are there now with what the page says.
func check(t *testing.T, c *rig.Cluster, said map[string]string) (seen map[string]bool) {
	t.Helper()
	seen = map[string]bool{}
	for _, dir := range []string{"state/executor-h1", "state/agent-h1", "state/aggregator-bj01-1", "store"} {
		root := filepath.Join(c.Dir(), dir)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // gone meanwhile
				return nil
			}
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return nil //nolint:nilerr // gone meanwhile
			}
			rel, _ := filepath.Rel(root, path)
			name := pattern(rel)
			seen[name] = true
			if mode := modeOf(info); said[name] != mode {
				t.Errorf("%s of %s has mode %q, and the page says %q of %s", rel, dir, mode, said[name], name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return seen
}

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	anNumber = regexp.MustCompile(`\.[0-9]+(\.|$)`)
	aSegment = regexp.MustCompile(`log\.[0-9a-f]{16}$`)
)

// pattern is how the page writes a name.
func pattern(name string) string {
	if aSegment.MatchString(name) {
		return aSegment.ReplaceAllString(name, "log.SEGMENT")
	}
	return anNumber.ReplaceAllString(anID.ReplaceAllString(name, "ID"), ".N$1")
}

func modeOf(info fs.FileInfo) string {
	mode := fmt.Sprintf("%04o", info.Mode().Perm())
	if info.Mode()&fs.ModeNamedPipe != 0 {
		return "pipe " + mode
	}
	return mode
}

// defaults is what a binary prints of its configuration, by key.
func defaults(t *testing.T, process string) map[string]string {
	t.Helper()
	bin := rig.Bin(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "ccs-"+process), "--print-config")
	for _, s := range settings(process) {
		cmd.Env = append(cmd.Env, "CCS_"+strings.ToUpper(process)+"_"+s)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ccs-%s --print-config: %v: %s", process, err, out)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(out, &tree); err != nil {
		t.Fatal(err)
	}
	flat := map[string]string{}
	flatten(flat, "", tree)
	for key, value := range flat {
		flat[key] = strings.ReplaceAll(value, bin+"/", "<directory of ccs-executor>/")
	}
	return flat
}

func settings(process string) []string {
	all := needed[process]
	if process != "agent" && process != "executor" && process != "access" {
		all = slices.Concat(needed["access"], all)
	}
	return all
}

func variable(key string) string { return strings.ToUpper(strings.ReplaceAll(key, ".", "_")) }

func flatten(into map[string]string, prefix string, tree map[string]any) {
	for key, value := range tree {
		if inner, ok := value.(map[string]any); ok {
			flatten(into, prefix+key+".", inner)
			continue
		}
		into[prefix+key] = fmt.Sprint(value)
	}
}

func rows(text, row string) [][]string {
	return regexp.MustCompile(row).FindAllStringSubmatch(text, -1)
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
