package agent_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

func whole() agent.Config {
	c := agent.DefaultConfig()
	c.Domain, c.Host, c.Aggregators = "demo.ccs", hostName, []string{"agg1:7421", "10.0.0.1:7421"}
	c.Issuer, c.IssuerCA, c.JoinTokenFile, c.OperatorKey = "issuer:7430", "/etc/ccs/ca.crt", "/etc/ccs/join.token", "/etc/ccs/operator.pub"
	return c
}

func TestAConfigurationSaysAllItsFaultsAtOnce(t *testing.T) {
	if err := whole().Validate(); err != nil {
		t.Fatal(err)
	}
	err := agent.Config{Host: "Not A Host", Address: "nowhere", Aggregators: []string{"agg1"}, ExecutorSocket: strings.Repeat("/x", 80)}.Validate()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, key := range []string{"domain", "host", "address", "state_dir", "aggregators", "executor_socket", "operator_key", "issuer", "issuer_ca", "join_token_file"} {
		if !strings.Contains(err.Error(), key+":") {
			t.Errorf("nothing is said of %s:\n%v", key, err)
		}
	}
	c := whole()
	c.TLS.Cert = "/etc/ccs/host.crt"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "tls.key") || !strings.Contains(err.Error(), "tls.ca") {
		t.Errorf("a certificate without its key: %v", err)
	}
	c = agent.Config{}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "aggregators:") {
		t.Errorf("no aggregator: %v", err)
	}
}

func TestAnAgentIsNotMadeWithoutAHostOrAggregators(t *testing.T) {
	for _, c := range []agent.Config{{Host: "Bad Name", Aggregators: []string{"a:1"}}, {Host: hostName}} {
		if _, err := agent.New(c, agent.Deps{}); err == nil {
			t.Errorf("%+v makes an agent", c)
		}
	}
}

func TestAHostSaysWhatItIs(t *testing.T) {
	facts := agent.HostFacts("v1\n" + strings.Repeat("x", 500))
	want := []string{"agent_version", "arch", "cpus", "hostname", "kernel", "memory_mb", "os"}
	if got := slices.Sorted(maps.Keys(facts)); !slices.Equal(got, want) {
		t.Errorf("it says %v", got)
	}
	row := fleet.Host{ID: hostName, Address: "10.1.2.3", Room: "bj01", Facts: facts, Incarnation: fleet.Incarnation{1}, PublicKey: [32]byte{1}, KeyState: fleet.KeyAccepted}
	if err := fleet.ValidateHost(row); err != nil {
		t.Error(err)
	}
}
