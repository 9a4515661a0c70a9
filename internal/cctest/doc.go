// Package cctest is the whole system in one process, for tests: every tier with
// its real code, real mutual TLS and the real wire, over connections in memory,
// inside a bubble of testing/synctest, so that a minute takes no time. Store,
// etcd and the executors of the hosts are kept in memory.
//
// It is no simulator: goroutines run as they like, and one test is one order
// of events.
//
//	synctest.Test(t, func(t *testing.T) {
//		c := cctest.Start(t, cctest.Shape{HostsPerRoom: 2})
//		job := c.Run(client.Request{All: true, Command: client.Command{Argv: []string{"uptime"}}})
//		c.Crash("scheduler-standard-1")
//		c.Settles(job)
//	})
//
// Examples of the SDK, which have neither test nor bubble, run against the same
// in real time: see [Open].
//
// At the end of every test it checks that no host started an attempt twice, that
// no process ended by itself, and that none logged an error.
package cctest
