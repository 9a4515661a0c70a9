package main

import "iter"

// shown is how things of one kind are printed.
type shown[T any] struct {
	field    string // of the document
	document func(T) any
	head     []string // of the table
	row      func(T) []string
	none     string // what is said where there is nothing
}

// show prints a sequence as a table, or as a document item by item.
func show[T any](a *app, items iter.Seq2[T, error], how shown[T]) error {
	if a.isDocument() {
		list := a.list(nil, how.field)
		for item, err := range items {
			if err != nil {
				return list.stop(err)
			}
			if err := list.add(how.document(item)); err != nil {
				return err
			}
		}
		return list.end()
	}
	var rows [][]string
	for item, err := range items {
		if err != nil {
			return err
		}
		rows = append(rows, how.row(item))
	}
	if len(rows) == 0 {
		a.say("%s\n", how.none)
		return nil
	}
	return a.table(how.head, rows)
}
