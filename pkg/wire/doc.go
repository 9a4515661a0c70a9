// Package wire turns protobuf messages into domain values and back, and domain
// errors into gRPC statuses and back. Nobody else does either. What comes in is
// checked for form, so that a tier never sees an id, an enum or a digest that
// cannot be; what it means is for the cores to judge.
//
// Everything here is a pure function, safe for concurrent use.
package wire
