// Package bugs is the list of the bugs that can be planted in the shells (package
// planted), each with the promise of the architecture that it breaks and the
// test that has to find it. With the build tag "planted" its test plants one
// after another and demands that its test fails, and that the same test passes
// without (make planted-bugs). The bugs of the cores are the simulator's
// (internal/sim).
package bugs
