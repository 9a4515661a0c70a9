// Package obstest is telemetry for tests. A [Recorder] keeps in memory what it is
// told, so that a test can look at it; it exports nothing and starts no
// goroutine, so that it can be used inside a synctest bubble. A [Collector] is
// the other end of OTLP, for real processes.
package obstest
