// Package issuer is where hosts and users get their certificates. It is a
// process of its own with the CA's key, so that no other tier can make an
// identity. It checks a join token and a certificate request, signs, and has
// the row of a host written by the scheduler that owns the host table.
//
// It keeps nothing but the uses of limited tokens: what hosts there are is the
// host table's to say.
package issuer
