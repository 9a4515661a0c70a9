// Package setup is what every cmd/<binary>/main.go shares: flags, the
// configuration from file and environment, signals, the log, the ready file and
// the exit code. It is the only place that reads them; it knows no tier.
package setup
