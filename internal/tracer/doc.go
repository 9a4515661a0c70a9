// Package tracer runs a program under ptrace(2), and tells after each change
// that it, or a process that it starts, has made to a directory: created,
// written, synced, linked, renamed, removed. The caller may kill one there, so
// that a test cuts a real program off at every system call that leaves
// something behind, and sees everything that was not synced by then.
//
// It is for tests alone, needs Linux 5.3, and looks at the directory that it is
// told, at nothing else.
package tracer
