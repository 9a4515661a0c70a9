// Package coordtest is what every coord.Client must do: one suite, run against
// memory and against etcd.
package coordtest
