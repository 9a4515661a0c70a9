package fleet

import (
	"fmt"
	"strings"
)

// SyntaxError says where a selector cannot be read.
type SyntaxError struct {
	Text     string // the selector
	Pos      int    // byte offset in Text of what was not expected, from 0; len(Text) at the end
	Expected string // what should stand there
}

// excerpt is how many bytes are shown on each side of the position.
const excerpt = 60

// Error shows the fault for a person: the column (bytes, from 1), what was
// expected and found, and a caret under the place.
func (e *SyntaxError) Error() string {
	before, after := e.Text[:e.Pos], e.Text[e.Pos:]
	found := "the end"
	for _, r := range after {
		found = fmt.Sprintf("%q", r)
		break
	}
	left, right := "", ""
	if len(before) > excerpt {
		before, left = strings.ToValidUTF8(before[len(before)-excerpt:], ""), "..."
	}
	if len(after) > excerpt {
		after, right = strings.ToValidUTF8(after[:excerpt], ""), "..."
	}
	before = left + printable(before)
	caret := strings.Repeat(" ", len([]rune(before))) + "^"
	return fmt.Sprintf("cannot read selector at column %d: expected %s, found %s\n  %s%s%s\n  %s",
		e.Pos+1, e.Expected, found, before, printable(after), right, caret)
}

// printable keeps one column for every character, so that the caret stands
// right whatever was typed.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f:
			return '?'
		}
		return r
	}, text)
}
