package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/postgres"
	"github.com/ccs-project/ccs/pkg/state/store/sqlite"
)

// verb is one thing that an operator has done to the store, with the
// configuration of the schedulers that it belongs to.
type verb struct {
	name  string // as typed: two words
	short string
	flags func(*pflag.FlagSet, *asked)
	needs []string // flags that must be given
	do    func(ctx context.Context, p setup.Process, c storeConfig, a asked) error
}

// asked is what the flags of the verbs say.
type asked struct {
	to, from, job string
	above         uint64
}

func verbs() []verb {
	above := func(f *pflag.FlagSet, a *asked) {
		f.Uint64Var(&a.above, "above", 0, "raise the generation above `G`: the greatest that was ever in force, which every scheduler's log has (\"shard is owned\")")
	}
	return []verb{
		{
			"store backup", "write all that the store holds into a new file, while schedulers go on (docs/backup.md).",
			func(f *pflag.FlagSet, a *asked) { f.StringVar(&a.to, "to", "", "the new `FILE`") },
			[]string{"to"},
			backup,
		},
		{
			"store restore", "make a backup the store, and raise its generation. Stop every scheduler before (docs/backup.md).",
			func(f *pflag.FlagSet, a *asked) {
				f.StringVar(&a.from, "from", "", "the `FILE` that store backup has written")
				above(f, a)
			},
			[]string{"from"},
			restore,
		},
		{"store raise-generation", "fence every scheduler, after a restore that was made by other means (docs/backup.md).", above, nil, raise},
		{
			"store reinstate", "take a job out of quarantine (docs/quarantine.md).",
			func(f *pflag.FlagSet, a *asked) { f.StringVar(&a.job, "job", "", "the `ID` of the job") },
			[]string{"job"},
			reinstate,
		},
	}
}

// asVerb runs the verb that the arguments begin with.
func asVerb(ctx context.Context, args []string) (status int, is bool) {
	if len(args) == 0 || args[0] != "store" {
		return 0, false
	}
	all := verbs()
	for _, v := range all {
		if slices.Equal(args[:min(2, len(args))], strings.Fields(v.name)) {
			return v.run(ctx), true
		}
	}
	var text strings.Builder
	for _, v := range all {
		_, _ = fmt.Fprintf(&text, "  ccs-scheduler %-22s  %s\n", v.name, v.short)
	}
	if len(args) > 1 && (args[1] == "--help" || args[1] == "-h") {
		_, _ = fmt.Fprint(os.Stdout, "What an operator can do to the job store:\n", text.String())
		return setup.ExitOK, true
	}
	_, _ = fmt.Fprintf(os.Stderr, "ccs-scheduler: say what to do to the store:\n%s", text.String())
	return setup.ExitUsage, true
}

func (v verb) run(ctx context.Context) int {
	var a asked
	return setup.Run(ctx, setup.Program[config]{
		Name: "scheduler", Verb: v.name, Short: "ccs-scheduler " + v.name + ": " + v.short,
		Default: defaults(), MetricsListen: metricsListen,
		Flags: func(f *pflag.FlagSet) { v.flags(f, &a) }, Needs: v.needs,
		Validate: func(c config) error { return c.Store.Validate() },
		Run: func(ctx context.Context, p setup.Process, c config) error {
			return v.do(ctx, p, c.Store, a)
		},
	})
}

// errOwnTools is for whoever wants from here what PostgreSQL does itself.
var errOwnTools = errors.New("PostgreSQL has tools of its own for this: pg_basebackup with an archive of the WAL, or pg_dump and pg_restore; " +
	"after a restore run ccs-scheduler store raise-generation before any scheduler is started (docs/backup.md)")

func backup(ctx context.Context, p setup.Process, c storeConfig, a asked) error {
	if postgres.IsDSN(c.DSN) {
		return errOwnTools
	}
	contents, err := sqlite.Backup(ctx, c.sqlite(), a.to)
	if err != nil {
		return err
	}
	return tell(p, "%s has all that was durable when it was begun: %s.\nKeep it as you keep the store itself: it holds scripts, environments and outputs of everybody's jobs.\n", a.to, contents)
}

func restore(ctx context.Context, p setup.Process, c storeConfig, a asked) error {
	if postgres.IsDSN(c.DSN) {
		return errOwnTools
	}
	contents, err := sqlite.Restore(ctx, a.from, c.sqlite(), a.above)
	if err != nil {
		return err
	}
	return tell(p, "The store is what %s has, under another generation: %s.\nStart the schedulers. What was accepted after the backup the store does not know any more: "+
		"hosts keep the results of such jobs, and each makes a scheduler log \"host reports a job that is not in the store\".\n", a.from, contents)
}

func raise(ctx context.Context, p setup.Process, c storeConfig, a asked) (err error) {
	return within(ctx, c, func(s store.Store) error {
		generation, err := store.RaiseAbove(ctx, s, a.above)
		if err != nil {
			return err
		}
		return tell(p, "The store is at generation %d. Every scheduler is fenced, and claims again what it has by itself.\n", generation)
	})
}

func reinstate(ctx context.Context, p setup.Process, c storeConfig, a asked) error {
	id, err := job.ParseID(a.job)
	if err != nil {
		return fmt.Errorf("job id %.80q: %w; ccsctl job list --state quarantined shows those that are set aside", a.job, err)
	}
	return within(ctx, c, func(s store.Store) error {
		j, err := store.Reinstate(ctx, s, id, operator())
		if err != nil {
			return err
		}
		return tell(p, "Job %s is %s again. Its scheduler loads it as soon as it writes anything of the shard, within half a minute, and asks its hosts what became of it.\n", id, j.Row.State)
	})
}

// operator is who does this, for the claim of a shard.
func operator() string {
	if who, err := user.Current(); err == nil {
		return "operator " + who.Username
	}
	return "operator"
}

// within does something to a store that is there.
func within(ctx context.Context, c storeConfig, do func(store.Store) error) error {
	if err := c.present(ctx); err != nil { // a verb makes no store
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err = do(s); err != nil {
		_ = s.Close() // why it was not done counts
		return err
	}
	return s.Close()
}

func tell(p setup.Process, format string, args ...any) error {
	_, err := fmt.Fprintf(p.Stdout, format, args...)
	return err
}
