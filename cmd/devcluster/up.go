package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

// up starts a cluster and leaves it to others, such as a bench.
func up(cmd *cobra.Command, f flags) error {
	s, err := open(cmd, f)
	if err != nil {
		return err
	}
	s.say("\nThe cluster is up in %s. Its config for ccsctl:\n\n  export CCSCTL_CONFIG=%s", s.cluster.Dir(), s.cluster.ClientConfig())
	s.say("\nLogs: %s", filepath.Join(s.cluster.Dir(), "log"))
	return s.closeAfter(cmd.Context(), f, s.untilInterrupted(cmd.Context()))
}
