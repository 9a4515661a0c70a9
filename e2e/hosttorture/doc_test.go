// Package hosttorture proves that a host keeps its word whatever dies on it:
// agent, executor and end-processes are killed at random while commands of many
// kinds run, and twice the power is lost. What the commands did is read in files
// outside CCS, and must be what CCS says of them; nothing is left of any.
//
// All state of the hosts is on a file system of its own in an image file. A loss
// of power is a copy of that file at one instant: what was not synced is not in
// it. The boot id is bound over for the processes of this test alone, which runs
// in a mount namespace of its own; for that it must be root.
package hosttorture
