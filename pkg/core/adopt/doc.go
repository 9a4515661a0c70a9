// Package adopt decides what an executor does with one attempt of one command
// that it finds on disk, after a crash or whenever it looks again: what is
// found and what lives, and so the one action.
//
// It is pure and decides only. Reading records and proving who lives is
// pkg/host, carrying the action out is the executor; no rule of it is repeated
// there. It kills nothing: no action of this package ends a process.
package adopt
