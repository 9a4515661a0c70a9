package client

import (
	"errors"
	"fmt"
	"time"
)

// Config says whom to talk to, and as whom.
type Config struct {
	Addresses  []string // host:port of access, one or more replicas
	CertFile   string   // the user's certificate, PEM
	KeyFile    string   // its private key, PEM
	CAFile     string   // certificates of the CA, PEM
	SigningKey string   // file of the Ed25519 key that signs jobs, PEM
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if len(c.Addresses) == 0 {
		faults = append(faults, errors.New("addresses is empty: give host:port of access, such as ccs.example.org:7400"))
	}
	for _, f := range []struct{ key, path, what string }{
		{"tls.cert", c.CertFile, "your certificate"},
		{"tls.key", c.KeyFile, "its private key"},
		{"tls.ca", c.CAFile, "the certificate of the CA"},
		{"signing_key", c.SigningKey, "the key that signs your jobs"},
	} {
		if f.path == "" {
			faults = append(faults, fmt.Errorf("%s is not set: give the PEM file of %s", f.key, f.what))
		}
	}
	return errors.Join(faults...)
}

// Defaults of a request.
const (
	DefaultClass    = "standard"
	DefaultDeadline = 24 * time.Hour
	// clockSkew is the clock difference that a signed not-before allows for.
	clockSkew = time.Minute
)

// TimeoutAction says what happens to a command that runs past its timeout.
type TimeoutAction int

// The timeout actions.
const (
	Kill   TimeoutAction = iota // end its whole tree
	Report                      // show it as overdue and let it run
)

// Command is what runs on each host. Exactly one of Ping, Argv and Script is
// given.
type Command struct {
	Ping          bool          // answered by the agent, without a process
	Argv          []string      // program and arguments; no shell
	Script        []byte        // at most 1 MiB
	Interpreter   []string      // of the script; default /bin/sh
	Env           []string      // NAME=value, added to a clean environment
	Cwd           string        // absolute; empty: the host's default
	Stdin         []byte        // at most 1 MiB
	RunAs         string        // account on the host; empty: the executor's own
	Timeout       time.Duration // 0: none
	TimeoutAction TimeoutAction
	Grace         time.Duration // between TERM and KILL; 0: the host's default, 10 s
	OutputLimit   uint64        // bytes kept of each stream; 0: 1 MiB, at most 16 MiB
}

// Request is a job to be made.
type Request struct {
	Hosts    []string // ids or IP addresses; every one must exist
	Selector string   // over labels, such as room=bj01,app in (web,api),!canary
	All      bool     // every host, where nothing else is given

	Command     Command
	Class       string        // of importance; empty: standard
	Account     string        // charged with it; may be empty
	Note        string        // why; at most 1 KiB
	Concurrency Amount        // released and not settled at any time; zero: all
	TTL         time.Duration // how long a host may be away before it is too late to start; 0: the deadline
	Deadline    time.Duration // after which the job ends; 0: 24 h
}

// Amount is a number of targets or a share of them; the zero value is neither.
type Amount struct {
	Count   uint32 // targets
	Percent uint32 // 1..100 hundredths of the targets
}
