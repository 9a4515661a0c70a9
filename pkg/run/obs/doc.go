// Package obs is how a process tells what it does: its log, and the type that
// keeps secrets out of it. Metrics and traces come to stand here as well.
package obs
