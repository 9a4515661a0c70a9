// Package config proves what every binary does with its configuration: it says
// its version, shows what is in force, and lists every fault of a bad one at
// once before it does anything.
package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
)

// daemons are the binaries that have a config file, with faults planted in one
// and the keys that must all be named.
func daemons() map[string]struct{ bad, named string } {
	type row = struct{ bad, named string }
	return map[string]row{
		"access":     {"route_wait: -1s\n", "tls.cert tls.key tls.ca etcd.endpoints domain route_wait"},
		"scheduler":  {"drain_budget: -1s\n", "tls.cert tls.key tls.ca etcd.endpoints domain pool store.dsn drain_budget"},
		"aggregator": {"heartbeat_interval: -1s\n", "tls.cert tls.key tls.ca etcd.endpoints domain name room heartbeat_interval"},
		"issuer":     {"host_ttl: 1s\n", "tls.cert tls.key tls.ca etcd.endpoints domain ca_cert ca_key tokens_file host_ttl"},
		"agent":      {"state_dir: relative\n", "domain host state_dir aggregators issuer operator_key"},
		"executor":   {"state_dir: relative\nsocket: relative\nslots: 0\n", "state_dir socket slots"},
	}
}

func TestEveryBinarySaysItsVersion(t *testing.T) {
	for _, name := range []string{
		"ccs-access", "ccs-scheduler", "ccs-aggregator", "ccs-issuer", "ccs-agent", "ccs-executor", "ccs-endprocess", "ccsctl", "devcluster",
	} {
		said := rig.Program(t, nil, filepath.Join(rig.Bin(t), name), "--version")
		if said.Status != 0 || !strings.HasPrefix(said.Out, name+" ") || len(strings.Fields(said.Out)) < 2 {
			t.Errorf("%s --version ended with status %d and said %q %q", name, said.Status, said.Out, said.Err)
		}
	}
}

func TestABadConfigIsRefusedWithAllItsFaultsAtOnce(t *testing.T) {
	for name, d := range daemons() {
		t.Run(name, func(t *testing.T) {
			said := run(t, name, d.bad)
			if said.Status != 2 {
				t.Errorf("it ended with status %d, want 2", said.Status)
			}
			for key := range strings.FieldsSeq(d.named) {
				if !strings.Contains(said.Err, key) {
					t.Errorf("%s is not named", key)
				}
			}
			if t.Failed() {
				t.Logf("it said\n%s", said.Err)
			}
		})
	}
}

func TestAnUnknownKeyIsAFault(t *testing.T) {
	for name := range daemons() {
		if said := run(t, name, "no_such_key: 1\n"); said.Status != 2 || !strings.Contains(said.Err, "no_such_key") {
			t.Errorf("%s ended with status %d and said\n%s", name, said.Status, said.Err)
		}
	}
}

// run starts a binary with a config file of that text.
func run(t *testing.T, name, text string) rig.Said {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return rig.Program(t, nil, filepath.Join(rig.Bin(t), "ccs-"+name), "--config", file)
}

func TestPrintConfigShowsWhatIsInForce(t *testing.T) {
	c := rig.Start(t, devcluster.Options{Hosts: 2, AggregatorsPerRoom: 1})
	for _, process := range []string{
		"access-1", "scheduler-standard-1", "aggregator-bj01-1", "issuer", "agent-h1", "executor-h1",
	} {
		t.Run(process, func(t *testing.T) {
			tier, _, _ := strings.Cut(process, "-")
			file := filepath.Join(c.Dir(), "etc", process+".yaml")
			said := rig.Program(t, nil, filepath.Join(c.Bin, "ccs-"+tier), "--config", file, "--print-config")
			if said.Status != 0 {
				t.Fatalf("it ended with status %d and said\n%s", said.Status, said.Err)
			}
			// What is printed is a config file that means the same.
			again := filepath.Join(t.TempDir(), "again.yaml")
			if err := os.WriteFile(again, []byte(said.Out), 0o600); err != nil {
				t.Fatal(err)
			}
			if twice := rig.Program(t, nil, filepath.Join(c.Bin, "ccs-"+tier), "--config", again, "--print-config"); withoutComments(twice.Out) != withoutComments(said.Out) {
				t.Errorf("what it prints is\n%s\nand read again\n%s%s", said.Out, twice.Out, twice.Err)
			}
			for _, word := range []string{"ready_file: " + filepath.Join(c.Dir(), "run", process+".ready"), "level: info"} {
				if !strings.Contains(said.Out, word) {
					t.Errorf("it does not show %q but\n%s", word, said.Out)
				}
			}
		})
	}
}

// withoutComments takes away where each value came from.
func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			b.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return b.String()
}
