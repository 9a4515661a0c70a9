// Package capsule is the signed form of a job: the exact bytes that a user
// signs, the proofs that a host is among the signed targets, and the signatures
// of hosts over their results. docs/capsule.md defines every byte.
//
// It is arithmetic over bytes: no I/O, no goroutines, and time only as an
// argument. It holds no keys and no policy: who may sign is asked of a
// [KeySource]. It is not a wire contract; pkg/wire carries its types.
package capsule
