// Package failpoint marks the places at which a test makes a program fail: it
// panics there, or its process ends, for the jobs that the test names. What ships
// has none: without the build tag "failpoint" the compiler leaves nothing of a
// mark, not even its name. It is no planted bug: the logic is right, and what
// happens is what an unknown fault would do. It is never in a core.
package failpoint
