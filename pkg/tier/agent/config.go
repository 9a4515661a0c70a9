package agent

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Config is what an operator sets.
type Config struct {
	// Domain is the trust domain, such as demo.ccs.
	Domain string `mapstructure:"domain"`
	// Host is this host's id: 1..128 of [a-z0-9.-].
	Host string `mapstructure:"host"`
	// Address is the IP address that operators know it by; empty: the one that
	// the issuer sees.
	Address string `mapstructure:"address"`
	// StateDir is the directory that it keeps things in; absolute, its own.
	StateDir string `mapstructure:"state_dir"`
	// OperatorDir is the directory in which an operator freezes this host
	// (ccshost freeze); absolute. Only root should write it.
	OperatorDir string `mapstructure:"operator_dir"`
	// Aggregators is the session addresses of its room, host:port. Names are
	// resolved again for every session.
	Aggregators []string `mapstructure:"aggregators"`
	// ExecutorSocket is the unix socket of this host's executor; absolute.
	ExecutorSocket string `mapstructure:"executor_socket"`
	// Issuer is the address to enrol at, host:port.
	Issuer string `mapstructure:"issuer"`
	// IssuerCA is the PEM file of the CA by which the issuer is known.
	IssuerCA string `mapstructure:"issuer_ca"`
	// JoinTokenFile holds the join token; read only to enrol.
	JoinTokenFile string `mapstructure:"join_token_file"`
	// OperatorKey is the PEM file of the public key that signs bundles.
	OperatorKey string `mapstructure:"operator_key"`
	// TLS: ca is whom to trust at aggregators; empty: the CA that came with the
	// certificate. cert and key, set together, take the place of enrolment.
	TLS identity.Files `mapstructure:"tls"`
}

// DefaultConfig is the configuration of a host that says only the rest.
func DefaultConfig() Config {
	return Config{StateDir: "/var/lib/ccs/agent", OperatorDir: "/var/lib/ccs/operator", ExecutorSocket: "/run/ccs/executor.sock"}
}

// maxSocketPath is what the kernel takes, less some.
const maxSocketPath = 100

var errNoAggregators = errors.New("aggregators: none is given; list the session addresses of the room, such as agg1.example.com:7421")

// Validate names every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Domain == "", "domain: is not set; give the trust domain, such as demo.ccs")
	if _, err := fleet.ParseHostID(c.Host); err != nil {
		fault(true, "host: %q: %w", c.Host, err)
	}
	fault(c.Address != "" && net.ParseIP(c.Address) == nil, "address: %q is not an IP address such as 10.1.2.3", c.Address)
	fault(!filepath.IsAbs(c.StateDir), "state_dir: %q is not an absolute path; name a directory on a local disk", c.StateDir)
	fault(!filepath.IsAbs(c.OperatorDir), "operator_dir: %q is not an absolute path; name the directory that ccshost freeze writes", c.OperatorDir)
	if len(c.Aggregators) == 0 {
		faults = append(faults, errNoAggregators)
	}
	for _, addr := range c.Aggregators {
		checkAddress(fault, "aggregators", addr)
	}
	fault(!filepath.IsAbs(c.ExecutorSocket) || len(c.ExecutorSocket) > maxSocketPath,
		"executor_socket: %q is not an absolute path of at most %d bytes; name the socket that the executor listens on", c.ExecutorSocket, maxSocketPath)
	fault(c.OperatorKey == "", "operator_key: is not set; give the PEM file of the public key that signs bundles")
	fault((c.TLS.Cert == "") != (c.TLS.Key == ""), "tls.cert and tls.key: give both, or neither to enrol at the issuer")
	if c.TLS.Cert == "" {
		checkAddress(fault, "issuer", c.Issuer)
		fault(c.IssuerCA == "", "issuer_ca: is not set; give the PEM file of the CA by which the issuer is known")
		fault(c.JoinTokenFile == "", "join_token_file: is not set; give the file that holds the join token")
	} else {
		fault(c.TLS.CA == "", "tls.ca: is not set; give the PEM file of the CA by which aggregators are known")
	}
	return errors.Join(faults...)
}

func checkAddress(fault func(bool, string, ...any), key, addr string) {
	host, port, err := net.SplitHostPort(addr)
	fault(err != nil || host == "" || port == "", "%s: %q is not host:port", key, addr)
}
