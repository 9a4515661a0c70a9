// Package rig is what the end-to-end tests share: a cluster of real processes
// in a directory of its own, the verbs of package devcluster, and waiters that
// ask until something is so and otherwise say what is still missing.
//
// It is test support only. It knows nothing that a user or an operator could
// not know: the SDK, ccsctl, the files of a process, what the kernel says.
package rig
