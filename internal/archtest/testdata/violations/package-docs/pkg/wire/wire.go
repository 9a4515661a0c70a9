// Package wire is documented in the wrong file.
package wire
