// Package obstest is telemetry for tests: it keeps in memory what it is told, so
// that a test can look at it. It exports nothing and starts no goroutine, so that
// it can be used inside a synctest bubble.
package obstest
