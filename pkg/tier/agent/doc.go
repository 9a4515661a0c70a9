// Package agent is the tier on a host that talks to the room: it keeps one
// session to one aggregator, verifies every command against what the user
// signed, hands it to the executor, and brings back what became of it, signed.
//
// It runs nothing itself and decides nothing about a started command: the
// executor's disk is the host's one truth. What the agent keeps is a cache,
// but for its key, its certificate, the newest bundle and its session numbers.
//
// One goroutine, the loop, owns all state. Whatever waits for a disk, the
// executor or the network runs beside it and comes back as a call into the
// loop. Per task there is one decision, task.Next, taken again after every
// change (drive.go).
package agent
