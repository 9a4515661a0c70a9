package store

import "iter"

// Pages is for versions of the store: it yields what page returns, page after
// page, until one is not full. page gets the element after which it begins: first
// the given one, then the last of the page before. No connection need be held
// while the elements are looked at. An error ends the loop.
func Pages[T any](after T, full int, page func(after T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at := after; ; {
			all, err := page(at)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, at = range all {
				if !yield(at, nil) {
					return
				}
			}
			if len(all) < full {
				return
			}
		}
	}
}
