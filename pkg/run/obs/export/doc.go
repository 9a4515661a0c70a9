// Package export is the way out of a process for what it tells through
// obs.Telemetry: spans go to a collector by OTLP, metrics are read from a
// Prometheus endpoint. It makes no span and no metric of its own, but for those
// of the Go runtime and of the process. A collector that is away or silent ends
// no process and holds none up, but for the last spans at its end: those have
// 300 ms, and only if the collector took what came before.
package export
