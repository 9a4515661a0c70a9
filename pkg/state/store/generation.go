package store

import (
	"context"
	"fmt"
)

// farthestRaise is by how much a generation is raised at once, at most: who asks
// for more has mistyped.
const farthestRaise = 1000

// RaiseAbove raises the generation at least once, and until it is above the one
// given, and returns it. A store that is restored from a backup a second time has
// the generation of that backup again; it has to be raised above every one that
// was ever in force, or numbers of owners come twice.
func RaiseAbove(ctx context.Context, s interface {
	RaiseGeneration(ctx context.Context) (uint64, error)
}, above uint64,
) (generation uint64, err error) {
	for n := 0; n == 0 || generation <= above; n++ {
		if n > 0 && above-generation > farthestRaise {
			return generation, fmt.Errorf("cannot raise the generation, which is %d, above %d: that is more than %d away; look which generations were in force", generation, above, farthestRaise)
		}
		if generation, err = s.RaiseGeneration(ctx); err != nil {
			return generation, err
		}
	}
	return generation, nil
}
