// Package fleet is what is known of hosts: who they are, what labels they
// carry, which of them a selector means, and where each is attached.
//
// It is pure and single-threaded: its owner steps it. It stores nothing and
// talks to nobody.
package fleet
