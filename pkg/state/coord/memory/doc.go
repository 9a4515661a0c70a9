// Package memory is the coordination service inside one process: for tests,
// where it can be away, lose leases and go back in time, also in a bubble of
// testing/synctest. It is no cache of etcd and keeps nothing.
package memory
