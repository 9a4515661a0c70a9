// Package planted marks the lines of the shells at which tests plant a bug, to
// show that they find it (internal/bugs has the list, make planted-bugs finds
// them all). What ships has none: without the build tag "planted" the compiler
// leaves nothing of a mark, not even its name. It is no failpoint: a planted bug
// is wrong logic, not a fault of the machine. The cores, which may import
// nothing, have marks of their own.
package planted
