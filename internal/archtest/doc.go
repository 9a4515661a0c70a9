// Package archtest holds the rules of the tree that a compiler cannot see: who
// may import whom, what the core may touch, where things live, how long a file
// may be. It is what stands between the architecture and its erosion.
//
// A [Rule] looks at a [Module], a view of a directory that needs no build, so
// that each rule is proved by small modules with planted violations under
// testdata/violations. It is no linter: style is golangci-lint's part.
package archtest
