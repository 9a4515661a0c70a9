package fleet

import "strings"

// addr is an IP address: IPv6, or IPv4 mapped into it. The core may not import
// net; net/netip is the oracle of the test.
type addr [16]byte

// parseAddr reads an IPv4 or IPv6 address without zone.
func parseAddr(text string) (addr, bool) {
	if strings.IndexByte(text, ':') < 0 {
		return parseIPv4(text)
	}
	head, tail, gap := strings.Cut(text, "::")
	front, ok := parseGroups(head, !gap)
	if !ok {
		return addr{}, false
	}
	var back []byte
	if gap {
		if back, ok = parseGroups(tail, true); !ok {
			return addr{}, false
		}
	}
	if n := len(front) + len(back); n > 16 || !gap && n != 16 || gap && n > 14 {
		return addr{}, false
	}
	var a addr
	copy(a[:], front)
	copy(a[16-len(back):], back)
	return a, true
}

// parseGroups reads 16-bit groups in hexadecimal; where last is set, the last
// may be an IPv4 address. Empty text is no group.
func parseGroups(text string, last bool) ([]byte, bool) {
	if text == "" {
		return nil, true
	}
	var out []byte
	for {
		group, rest, more := strings.Cut(text, ":")
		if !more && last && strings.IndexByte(group, '.') >= 0 {
			v4, ok := parseIPv4(group)
			return append(out, v4[12:]...), ok
		}
		value, ok := parseDigits(group, 16, 4)
		if !ok || len(out) >= 16 {
			return nil, false
		}
		out = append(out, byte(value>>8), byte(value))
		if !more {
			return out, true
		}
		text = rest
	}
}

func parseIPv4(text string) (addr, bool) {
	a := addr{10: 0xff, 11: 0xff}
	for i := range 4 {
		part, rest, more := strings.Cut(text, ".")
		value, ok := parseDigits(part, 10, 3)
		leadingZero := len(part) > 1 && part[0] == '0'
		if !ok || leadingZero || value > 255 || more != (i < 3) {
			return addr{}, false
		}
		a[12+i] = byte(value)
		text = rest
	}
	return a, true
}

// parseDigits reads 1..limit digits.
func parseDigits(text string, radix, limit int) (int, bool) {
	if text == "" || len(text) > limit {
		return 0, false
	}
	value := 0
	for i := range len(text) {
		digit := strings.IndexByte("0123456789abcdef", text[i]|0x20)
		if text[i] < '0' || digit < 0 || digit >= radix {
			return 0, false
		}
		value = value*radix + digit
	}
	return value, true
}
