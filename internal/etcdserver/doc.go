// Package etcdserver runs one etcd member inside this process, for tests and
// for the demo cluster. It is nothing to run a deployment on.
package etcdserver
