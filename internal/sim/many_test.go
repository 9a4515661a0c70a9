//go:build !race

package sim

// manySeeds is how many seeds are run if nobody says otherwise.
const manySeeds = 2000
