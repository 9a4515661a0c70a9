// Package proc is what the host side knows about processes of the kernel: who
// one is (boot id, pid and start time, held by a pidfd), whether it lives, how
// to end a whole tree of them, and how to watch one until it is done.
//
// It is not a process manager: it starts nothing, decides nothing about
// commands and writes no file. It never signals a process whose identity does
// not match what the caller remembers, because a pid alone may long belong to
// somebody else (pains.md row 17).
package proc
