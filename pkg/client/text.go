package client

import "unicode/utf8"

// readable checks what the caller names; pairs are what it is and the text. The
// wire takes UTF-8 alone, and gRPC would say so in words of its own, with a code
// that leaves open whether something was sent.
func readable(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !utf8.ValidString(pairs[i+1]) {
			return invalid("%s %.80q is not UTF-8: give it in UTF-8", pairs[i], pairs[i+1])
		}
	}
	return nil
}
