// Package identity says who is at the other end of a connection: SPIFFE ids in
// X.509 certificates, mutual TLS 1.3 that admits by role, certificates that are
// reloaded while serving, the certificate authority, and the join tokens that
// stand in for a certificate at enrolment.
//
// It authenticates and no more: what somebody may do is policy, and whether a
// host is revoked is for its row to say. It uses the clock and the files that
// it is given; it opens no connections.
//
// Ports trust roles, never DNS names: a peer is refused unless its certificate
// comes from the CA, names exactly one SPIFFE id of the own trust domain, and
// that id has a role which the port admits. Session tickets are off: see
// [Source.ServerTLS].
package identity
