// Package devcluster builds a whole CCS on this machine out of real processes
// and gives tests and demos the verbs to treat it badly: Kill9, Stop, Restart,
// Pause, Resume, StartHost.
//
// Everything lives under one directory and listens on loopback. Processes are
// started by package guard, which leaves nothing behind however it ends. It is
// not a way to run CCS in earnest: one machine, one CA whose key lies beside it.
package devcluster
