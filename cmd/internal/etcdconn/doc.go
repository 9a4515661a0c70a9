// Package etcdconn is how the binaries of the control plane reach etcd: its
// config keys and the connection. Agent and executor do not import it: they
// never reach etcd.
package etcdconn
