// Package export is the way out of a process for what it tells through
// obs.Telemetry: spans go to a collector by OTLP, metrics are read from a
// Prometheus endpoint. It makes no span and no metric of its own, but for those
// of the Go runtime and of the process, and it never holds up or ends a process
// whose collector is away.
package export
