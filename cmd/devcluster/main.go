// Command devcluster runs a whole CCS on this machine, for a person to try
// (no argument), for a check without a person (smoke), and for benches (up).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/internal/devcluster"
)

func main() {
	if status, ok := devcluster.Helper(context.Background(), os.Args); ok {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errInterrupted) {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
	if err != nil {
		os.Exit(130)
	}
}

// flags are those that all verbs share.
type flags struct {
	bin, dir, listen string
	store            string // sqlite or postgres
	hosts            int
	keep             bool
	rooms            []string // no flag; nil: two
}

func rootCommand() *cobra.Command {
	var f flags
	root := &cobra.Command{
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Use:               "devcluster",
		Short:             "Run a whole CCS on this machine: start it, run two jobs, leave it up until Ctrl-C",
		Long: `Run a whole CCS on this machine out of real processes: etcd, issuer, access,
schedulers, aggregators, and hosts that are an agent and an executor each.

Without a verb it starts the cluster, runs two jobs, prints what to try next,
and leaves the cluster up until Ctrl-C, which stops and removes all of it.`,
		Args:          cobra.NoArgs,
		Version:       setup.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return demo(cmd, f) },
	}
	root.SetVersionTemplate("devcluster {{.Version}}\n")
	p := root.PersistentFlags()
	p.StringVar(&f.bin, "bin", "", "directory of the built binaries (default: where devcluster itself is)")
	p.StringVar(&f.dir, "dir", "", "directory for all state; empty or not there yet (default: a new temporary one)")
	p.StringVar(&f.listen, "listen", "127.0.0.1", "IPv4 address of this machine to listen on; another than the default lets hosts of other machines join")
	p.StringVar(&f.store, "store", "sqlite", "where the jobs are kept: sqlite, or postgres for a throw-away server of the PostgreSQL that is installed here")
	p.IntVar(&f.hosts, "hosts", 8, "number of hosts, 2 or more")
	p.BoolVar(&f.keep, "keep", false, "leave the directory with logs and state behind")
	root.AddCommand(
		&cobra.Command{
			Use: "smoke", Short: "Start, run both jobs, check every answer, stop, and check that nothing is left", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return smoke(cmd, f) },
		},
		&cobra.Command{
			Use: "up", Short: "Start a cluster and leave it up until Ctrl-C", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd, f) },
		},
		latencyCommand(&f),
	)
	return root
}
