package devcluster

import (
	"context"
	"fmt"
	"os"

	"github.com/ccs-project/ccs/internal/devcluster/guard"
)

// Helper turns this process into a guard or an etcd if its arguments (with
// the program's name first) ask for that, and returns the exit status when it
// has ended; ok is false if they do not. A binary that is Options.Self calls
// it first thing, with a context that no signal ends: these have their own
// ways to end.
func Helper(ctx context.Context, args []string) (status int, ok bool) {
	switch {
	case guard.IsGuard(args):
		return guard.Main(ctx, args), true
	case len(args) == 3 && args[1] == wordEtcd:
		if err := serveEtcd(ctx, args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "etcd:", err)
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
