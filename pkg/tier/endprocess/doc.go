// Package endprocess is the life of one attempt of one command: it decides
// that the attempt begins, starts the user's process, drains its output,
// enforces timeout and stop on the whole tree, and records the outcome.
//
// It needs nobody: executor and agent may be stopped, killed or upgraded while
// it runs. It is not a supervisor of many, speaks no protocol and reads no
// configuration: its whole input is the command's directory, its whole output
// too. There is one per command, so it stays small: no gRPC, no JSON, no fmt.
package endprocess
