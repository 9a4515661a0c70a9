// Package etcd is the coordination service for real: etcd's v3 API behind
// coord.Client. It is the only package that imports etcd's client.
package etcd
