// Package operator is what a person who is logged in on a host may see and do
// with executor or agent down: it reads their state directories beside them, and
// writes only where package spool lets several processes write: the wish to
// stop, the outcome of what is left, a release, and the freeze.
//
// It is no supervisor and no second executor: it starts nothing, and takes the
// executor's lock only to end what nobody supervises. It decides nothing of what
// a command becomes that end-process or executor would not decide the same way.
package operator
