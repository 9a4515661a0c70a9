package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/export"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1 // it ran and failed
	ExitUsage   = 2 // bad flags or a bad configuration; nothing was done
)

// Program is one binary with its configuration C: a struct whose fields have
// `mapstructure:"snake_case"` tags, nested as the keys are. The keys of
// [Common] are added to it.
type Program[C any] struct {
	// Name is the binary's without "ccs-", such as scheduler: it gives the
	// default file /etc/ccs/<name>.yaml and the environment CCS_<NAME>_<KEY>.
	Name string
	// Verb is of what an operator types to have one thing done, such as "store
	// backup": the words after the program's name. It has the program's
	// configuration, and no ready file, metrics, health or traces: a process that
	// serves beside it has those. Empty: the program serves.
	Verb string
	// Short is one line for --help.
	Short string
	// Default holds the defaults of all keys.
	Default C
	// MetricsListen and TraceRatio are the defaults of these keys of [Common],
	// which are not the same for all programs. Where requests come in from
	// outside a trace begins; elsewhere it is only gone on with.
	MetricsListen string
	TraceRatio    float64
	// Flags adds flags that are no configuration; may be nil.
	Flags func(*pflag.FlagSet)
	// Needs are those of them that must be given.
	Needs []string
	// Validate returns every fault of the configuration, joined. If it is nil
	// the method Validate of C is used, where there is one.
	Validate func(C) error
	// Run does the work until ctx ends. Its cause says which signal came.
	Run func(ctx context.Context, p Process, c C) error
}

// Common is the configuration that every binary has.
type Common struct {
	Log           obs.LogConfig `mapstructure:"log"`
	ReadyFile     string        `mapstructure:"ready_file"`     // written when the process serves; empty: none
	MetricsListen string        `mapstructure:"metrics_listen"` // host:port of metrics and health over HTTP; empty: none
	Export        export.Config `mapstructure:",squash"`
}

// Validate lists every fault.
func (c Common) Validate() error {
	faults := []error{c.Log.Validate(), c.Export.Validate()}
	if _, _, err := net.SplitHostPort(c.MetricsListen); c.MetricsListen != "" && err != nil {
		faults = append(faults, fmt.Errorf("metrics_listen: %q must be host:port, such as 127.0.0.1:7510, or empty for none", c.MetricsListen))
	}
	return errors.Join(faults...)
}

// Process is what a running program gets beside its configuration.
type Process struct {
	Name    string
	Version string
	Log     *slog.Logger
	Stdout  io.Writer // for programs that talk to a person
	// Ready says that the process serves: it writes the ready file with these
	// addresses, by the key of the configuration that asked for them.
	Ready func(addresses map[string]string) error
	// Telemetry is told what the process does.
	Telemetry obs.Telemetry
	// Check says who knows whether the process is ready; until then it is
	// starting. It may be called at any time.
	Check func(obs.Check)
}

// surroundings is what a process finds; tests have their own.
type surroundings struct {
	args    []string // without the program's name
	environ []string // KEY=value
	etc     string   // directory of the default configuration files
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
	exit    func(code int) // at once, for the second signal
}

// Run runs a program as the flags and the configuration say, and returns its
// exit code. The first SIGTERM or SIGINT ends ctx, the second the process.
func Run[C any](ctx context.Context, prog Program[C]) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	return run(ctx, prog, surroundings{
		args: os.Args[1+len(strings.Fields(prog.Verb)):], environ: os.Environ(), etc: "/etc/ccs",
		stdout: os.Stdout, stderr: os.Stderr, signals: signals, exit: os.Exit, //nolint:forbidigo // main gives it away for the second signal
	})
}

func run[C any](ctx context.Context, prog Program[C], s surroundings) int {
	o, err := parseFlags(prog.Name, prog.Verb, prog.Short, extra{prog.Flags, prog.Needs}, s)
	if err != nil {
		said := typed(prog.Name, prog.Verb)
		say(s.stderr, "%s: %v\nSee %s --help.\n", said, err, said)
		return ExitUsage
	}
	if o.done {
		return ExitOK
	}
	cfg, origin, err := load(prog, o, s)
	if err != nil {
		say(s.stderr, "%s", complaint(prog.Name, prog.Verb, o.file, err))
		return ExitUsage
	}
	if o.printConfig {
		if err := printConfig(s.stdout, cfg, origin); err != nil {
			say(s.stderr, "ccs-%s: %v\n", prog.Name, err)
			return ExitFailure
		}
		return ExitOK
	}
	if prog.Verb != "" {
		return once(ctx, prog, cfg, s)
	}
	return work(ctx, prog, cfg, s)
}

// once does the one thing that an operator has asked for.
func once[C any](ctx context.Context, prog Program[C], cfg full[C], s surroundings) int {
	ctx, release := heed(ctx, s.signals, s.exit)
	defer release()
	log := obs.NewLog(s.stderr, cfg.Common.Log)
	if err := prog.Run(ctx, Process{Name: prog.Name, Version: Version(), Log: log, Stdout: s.stdout}, cfg.App); err != nil {
		say(s.stderr, "%s: %v\n", typed(prog.Name, prog.Verb), err)
		return ExitFailure
	}
	return ExitOK
}

// work runs the program itself.
func work[C any](ctx context.Context, prog Program[C], cfg full[C], s surroundings) int {
	log := obs.NewLog(s.stderr, cfg.Common.Log)
	ctx, release := heed(ctx, s.signals, s.exit)
	defer release()
	p := Process{Name: prog.Name, Version: Version(), Log: log, Stdout: s.stdout}
	log.InfoContext(ctx, "process starts", "binary", prog.Name, "version", p.Version)
	err := watched(ctx, p, cfg.Common, func(p Process) error { return prog.Run(ctx, p, cfg.App) })
	var came *SignalError
	switch asked := errors.As(context.Cause(ctx), &came); {
	case err == nil, asked && (errors.Is(err, came) || errors.Is(err, context.Canceled)):
		log.InfoContext(ctx, "process ends", "cause", fmt.Sprint(context.Cause(ctx)))
		return ExitOK
	default:
		log.ErrorContext(ctx, "process failed", "error", err)
		return ExitFailure
	}
}

// say writes for a person; where nobody listens there is nothing to do.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
