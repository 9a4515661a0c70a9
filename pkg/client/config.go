package client

import (
	"errors"
	"fmt"
	"time"
)

// Config says whom to talk to, and as whom. All of it is needed. [Enrol] gets the
// certificate; `ccsctl` reads the same from ~/.config/ccs/config.yaml.
type Config struct {
	Addresses  []string // host:port of access, one or more replicas; each call goes to one that answers
	CertFile   string   // the user's certificate, PEM; read again when it changes
	KeyFile    string   // its private key, PEM
	CAFile     string   // certificates of the CA, PEM
	SigningKey string   // file of the Ed25519 key that signs jobs, PEM; often the same as KeyFile
}

// Validate lists every fault, each with the key of ccsctl's configuration file
// that it is about.
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

// Defaults of a [Request].
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
	Kill   TimeoutAction = iota // end its whole tree: the task is TIMED_OUT
	Report                      // show it as overdue and let it run
)

// Command is what runs on each host. Exactly one of Ping, Argv and Script is
// given. Argv, Interpreter and Env are UTF-8 without NUL and together at most
// 128 KiB.
type Command struct {
	Ping          bool          // answered by the agent, without a process; nothing else is used then
	Argv          []string      // program and arguments; no shell
	Script        []byte        // at most 1 MiB
	Interpreter   []string      // of the script, which comes after as a file; default /bin/sh
	Env           []string      // NAME=value, each NAME once, added to a clean environment
	Cwd           string        // absolute; empty: the host's default
	Stdin         []byte        // at most 1 MiB
	RunAs         string        // account on the host; empty: the executor's own
	Timeout       time.Duration // from its start; at most 30 days; 0: none
	TimeoutAction TimeoutAction
	Grace         time.Duration // between TERM and KILL; at most 1 h; 0: the host's default, 10 s
	OutputLimit   uint64        // bytes kept of each stream; 0: 1 MiB, at most 16 MiB
	Attempts      int           // 2..100: started again, up to so many times in all, where a crash of the host lost it; 0 and 1: never

	// How carefully it is run. Hosts of a version before REFUSE a job that sets one
	// of the last four.
	Limits           Limits
	Umask            *uint32           // 0..0777; nil: 022
	Rlimits          map[string]uint64 // limits of each process, soft and hard, by name: see Resources; Unlimited lifts one
	OOMScoreAdj      int               // 0..1000: how much sooner the kernel kills it when memory ends
	LeaveDescendants bool              // what outlives its own process goes on; else it is killed. A timeout and a cancel end all of it
}

// Request is a job to be made. Hosts, Selector and All say where it runs: one of
// them at least, and All alone. With both Hosts and Selector it runs where both
// agree. A retry names RetryOf in their place: see [Client.Retry].
type Request struct {
	Hosts    []string // ids or IP addresses; every one must exist
	Selector string   // over labels, such as room=bj01,app in (web,api),!canary; at most 4 KiB
	All      bool     // every host, where nothing else is given
	RetryOf  string   // id of the job that is retried, where nothing else is given
	Outcomes []string // of that job, as of Retry; only with RetryOf

	Command    Command
	Class      string        // of importance; empty: DefaultClass
	Account    string        // charged with it; may be empty
	Note       string        // why; at most 1 KiB
	TTL        time.Duration // how long a host may be away before it is too late to start; 0: the deadline
	Deadline   time.Duration // after which the job ends; at most 30 days; 0: DefaultDeadline
	RerunUntil time.Duration // after which nothing is started again; 0: the deadline; only with Command.Attempts

	// The rollout: in which order, how many at a time, and what stops it. What is
	// left out stops nothing: then all targets are released at once.
	Concurrency       Amount        // released and not settled at any time; zero: all
	Order             Order         // in which targets are released
	Batches           []Amount      // sizes, at most 100; the last repeats. A batch begins when the one before has settled; none: one batch of all
	PauseAfter        []uint32      // pauses when so many targets are released and settled; ascending from 1, at most 100
	PauseAfterBatches []uint32      // pauses when these batches, from 1, have settled; ascending, at most 100; only with Batches
	WaitOffline       time.Duration // how long a batch waits for hosts that are away; 0: 30 s
	MaxFailures       *Budget       // bad outcomes that are tolerated; nil: any number
	OnFailure         FailureAction // when there are more; only with MaxFailures
	Tolerated         []string      // outcomes that are not bad, such as START_FAILED, in any case; only with MaxFailures. UNKNOWN only together with FAILED
}

// Amount is a number of targets or a share of them, one of the two; the zero
// value is neither.
type Amount struct {
	Count   uint32 // targets
	Percent uint32 // 1..100 hundredths of the targets, rounded up
}

// Budget is how many bad outcomes are tolerated, one of the two; the zero value
// tolerates none. Bad is every outcome but SUCCEEDED, CANCELED and SKIPPED, and
// those that a [Request] tolerates.
type Budget struct {
	Count   uint32 // bad outcomes; the one after these stops the job
	Percent uint32 // 1..100 hundredths of the targets, rounded down; 0: Count counts
}

// FailureAction says what a job does that has more bad outcomes than it tolerates.
type FailureAction int

// The failure actions.
const (
	PauseOnFailure FailureAction = iota // release nothing more until a user resumes
	AbortOnFailure                      // skip all that is not released
)

// Order is the order in which targets are released.
type Order int

// The orders.
const (
	AsListed    Order = iota // by room and host id: room after room
	SpreadRooms              // the first host of each room, then the second of each, and so on
)
