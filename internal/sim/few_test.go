//go:build race

package sim

// manySeeds is fewer under the race detector: a world is one goroutine, there is
// little to be found.
const manySeeds = 100
