// Package access is the entrance for users. It is stateless: it says who a
// caller is by its certificate, finds the scheduler that owns what the call is
// about, and passes the call on. It keeps nothing between two calls but caches
// of where things are, and holds no key that could sign a command.
package access
