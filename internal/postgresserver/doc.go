// Package postgresserver runs a throw-away PostgreSQL from the binaries that
// are installed on this machine, for tests and for the demo cluster. It is
// nothing to run a deployment on: whoever reaches its socket may do everything.
package postgresserver
