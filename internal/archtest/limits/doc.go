// Package limits is the list of every limit of CCS, and the check that it is
// complete: a field of a configuration or a constant that bounds something has a
// row, and the test that the row names is there. docs/limits.md is generated
// from it by `go test ./internal/archtest/limits -rewrite`.
//
// It is a list and a check. What is refused, and how, is decided by the packages
// whose limits these are; their tests fill them.
package limits
