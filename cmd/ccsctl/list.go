package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// listing is a document that ends with a long list and is printed item by item:
// nobody holds all of it.
type listing struct {
	app   *app
	head  any    // what stands before the list; nil: nothing
	field string // the name of the list
	begun bool
	empty bool
}

// list begins one; head is asked for its fields when the first item comes.
func (a *app) list(head any, field string) *listing {
	return &listing{app: a, head: head, field: field, empty: true}
}

// add prints the next item.
func (l *listing) add(item any) error {
	text, err := l.app.encoded(map[string][]any{l.field: {item}})
	if err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	if err := l.begin(); err != nil {
		return err
	}
	if l.app.output == formatYAML {
		text = bytes.TrimPrefix(text, []byte(l.field+":\n"))
	} else {
		text = bytes.TrimPrefix(text, fmt.Appendf(nil, "{\n  %q: [\n", l.field))
		text = bytes.TrimSuffix(text, []byte("\n  ]\n}\n"))
		if !l.empty {
			text = append([]byte(",\n"), text...)
		}
	}
	if l.empty {
		text = append([]byte(l.opening()), text...)
	}
	l.empty = false
	_, err = l.app.stdout.Write(text)
	return err
}

func (l *listing) opening() string {
	if l.app.output == formatYAML {
		return l.field + ":\n"
	}
	return fmt.Sprintf("  %q: [\n", l.field)
}

// begin prints what stands before the list, once.
func (l *listing) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	text := ""
	if l.head != nil {
		head, err := l.app.encoded(l.head)
		if err != nil {
			return fmt.Errorf("cannot print: %w", err)
		}
		text = string(head)
	}
	if l.app.output == formatJSON {
		text = strings.TrimSuffix(text, "\n}\n")
		if text == "" {
			text = "{\n"
		} else {
			text += ",\n"
		}
	}
	_, err := l.app.stdout.Write([]byte(text))
	return err
}

// stop ends a list before its time, so that it can be read; the exit status says
// that it is not all. Of a list that has not begun there is nothing.
func (l *listing) stop(why error) error {
	if l.begun {
		return errors.Join(why, l.end())
	}
	return why
}

// end prints what is left.
func (l *listing) end() error {
	if err := l.begin(); err != nil {
		return err
	}
	text := ""
	switch {
	case l.app.output == formatYAML && l.empty:
		text = l.field + ": []\n"
	case l.app.output == formatJSON && l.empty:
		text = fmt.Sprintf("  %q: []\n}\n", l.field)
	case l.app.output == formatJSON:
		text = "\n  ]\n}\n"
	}
	_, err := l.app.stdout.Write([]byte(text))
	return err
}
