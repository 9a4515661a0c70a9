// Package guard starts processes and leaves nothing behind, however it all ends.
//
// Two guard processes stand between the front (devcluster, or a test) and the
// processes that it asks for:
//
//	front ── outer guard ── inner guard ── every process of the cluster
//
// Both guards are child subreapers: what daemonises, calls setsid or outlives
// its parent on purpose (end-processes do) becomes a child of the inner guard
// and cannot get lost. Whoever of the three dies, by whatever means, the pipe
// that it held closes and another one sweeps: it kills every descendant until
// the kernel says that it has no child left, then whatever else carries the
// cluster's marker in its environment, and removes the directory. Processes are
// identified by pid and start time through a pidfd, never by name. Should both
// guards be killed in one instant, the front is left with the marker alone.
//
// It is not a service manager: nothing is restarted unless the front asks, and
// it knows nothing of CCS.
package guard
