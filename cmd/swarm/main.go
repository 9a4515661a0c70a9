// Command swarm is very many hosts in one process, with the agent's real code
// and a connection of its own for each. It enrols them in a cluster of
// devcluster, pings all of them again and again, and says how long that takes
// beside the least that it could take. It is no host: commands are not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

func main() {
	if status, ok := devcluster.Helper(context.Background(), os.Args); ok {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "swarm:", err)
		os.Exit(1)
	}
}

// flags are what a person says.
type flags struct {
	hosts, rounds    int
	dir, config, bin string
	limit            time.Duration
	command          bool // a command in place of the ping
	verbose          bool
}

// mostHosts is what one process can have of connections and ports.
const mostHosts = 19_000

func (f flags) validate() error {
	var faults []error
	if f.hosts < 1 || f.hosts > mostHosts {
		faults = append(faults, fmt.Errorf("--hosts %d: give 1 to %d", f.hosts, mostHosts))
	}
	if f.rounds < 1 || f.rounds > 1000 {
		faults = append(faults, fmt.Errorf("--rounds %d: give 1 to 1000", f.rounds))
	}
	if f.limit <= 0 {
		faults = append(faults, fmt.Errorf("--limit %s: give more than 0", f.limit))
	}
	return errors.Join(faults...)
}

func rootCommand() *cobra.Command {
	var f flags
	root := &cobra.Command{
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Use:               "swarm",
		Short:             "Enrol many simulated hosts, ping all of them, and time it beside its floor",
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), f.limit, fmt.Errorf("not done within %s", f.limit))
			defer cancel()
			return bench{flags: f, out: cmd.OutOrStdout()}.run(ctx)
		},
	}
	p := root.Flags()
	p.IntVar(&f.hosts, "hosts", 1000, "number of hosts")
	p.IntVar(&f.rounds, "rounds", 5, "number of pings after the one that warms up")
	p.StringVar(&f.dir, "dir", "", "directory of a devcluster that is up (default: start one and stop it afterwards)")
	p.StringVar(&f.config, "config", "", "config file of ccsctl (default: that in --dir)")
	p.StringVar(&f.bin, "bin", "", "directory of the built binaries (default: where swarm itself is)")
	p.DurationVar(&f.limit, "limit", 5*time.Minute, "time for all of it")
	p.BoolVar(&f.command, "command", false, "run a command (true) in place of the ping: it is recorded on the hosts, which play it, and in the room spool")
	p.BoolVar(&f.verbose, "verbose", false, "show what the agents log")
	return root
}

// cluster is the directory of a devcluster: the one that is named, or one that
// is started and ends with close.
func (f flags) cluster(ctx context.Context, progress func(string)) (dir string, closing func(context.Context) error, err error) {
	if f.dir != "" {
		return f.dir, func(context.Context) error { return nil }, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("cannot find the binary of swarm: %w", err)
	}
	bin := f.bin
	if bin == "" {
		bin = filepath.Dir(self)
	}
	c, err := devcluster.Start(ctx, devcluster.Options{Bin: bin, Self: self, Hosts: -1, Progress: progress})
	if err != nil {
		return "", nil, err
	}
	return c.Dir(), c.Close, nil
}

// openClient is the SDK as the demo user.
func (s *site) openClient() (*client.Client, error) { return client.New(s.client) }
