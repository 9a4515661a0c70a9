// Package policy is what an operator has decided and signed: today the bundle
// of users whose signatures hosts accept, versioned and with an expiry.
//
// There are no roles, accounts, issuers or denials in it: whoever is listed may
// run any command on any host. It reads no files and watches nothing; who holds
// a bundle keeps it on disk and offers newer ones to [Bundle.Takes].
package policy
