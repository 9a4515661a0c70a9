// Package memory is a room spool without a disk: for bubbles, and for an
// aggregator that is not to survive its process. Its Disk stands for the
// directory: what was committed outlives the process that has it open.
package memory
