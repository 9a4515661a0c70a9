// Package obs is how a process tells what it does: its log, with the type that
// keeps secrets out of it; spans and the table of all metrics; and its health.
// How spans and metrics leave the process is package export's.
package obs
