// Package executor is the host's layer that runs commands and remembers what
// became of them. It backs a command up first and answers then; it starts one
// end-process per command, and after its own restart picks up where the
// directories are.
//
// It is generic: opaque command ids, attempts and slot groups; it knows nothing
// of jobs, users or signatures. It does not watch user processes itself, unless
// an end-process died. It never kills because it cannot supervise. But a command
// is its whole tree: what lives on when the leader has ended, daemons included,
// gets a moment to finish and is ended before the outcome is written, by the
// end-process or by the executor that took over.
//
// One goroutine, the loop, owns all state. Whatever touches disk or processes
// runs beside it and comes back as a call into the loop. What to do with a
// command is always decided in the same way, at first, after a change and after
// a restart: look at its records and at who lives (look.go), ask core/adopt,
// carry it out (act.go).
//
// An attempt that the caller traces has two spans: executor.start from the call
// until the specification is durable and acknowledged, and executor.run from the
// start of the end-process until the loop sees its exit record. The trace is not
// on disk, and the end-process knows nothing of it: when the executor itself is
// restarted meanwhile, the span of the run is lost, and nothing else.
package executor
