package fleet

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// checkAddr compares parseAddr with the standard library. Zones are refused:
// they mean something on one machine only.
func checkAddr(tb rapid.TB, text string) {
	tb.Helper()
	want, err := netip.ParseAddr(text)
	wantOK := err == nil && want.Zone() == ""
	got, ok := parseAddr(text)
	if ok != wantOK {
		tb.Fatalf("parseAddr(%q) accepts: %t, want %t (%v)", text, ok, wantOK, err)
	}
	if ok && got != want.As16() {
		tb.Fatalf("parseAddr(%q) = %x, want %x", text, got, want.As16())
	}
}

func TestAnAddressIsReadAsTheStandardLibraryReadsIt(t *testing.T) {
	for _, text := range []string{
		"", "10.1.2.3", "010.1.2.3", "10.1.2", "10.1.2.3.4", "256.1.1.1", "1.1.1.1 ", "1..1.1", "1.2.3.", ".1.2.3",
		"::", "::1", "1::", ":::", ":1", "1:", "1:::2", "1::2::3", "2001:db8::1", "2001:DB8::1", "::ffff:10.0.0.1",
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "fe80::1%eth0", "12345::", "g::", "::1.2.3",
		"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "::@", "`::",
	} {
		checkAddr(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkAddr(t, rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){2,4}|[0-9a-f]{0,4}(::?[0-9A-F]{0,4}){1,9}(\.[0-9]{1,2}){0,3}`).Draw(t, "text"))
	})
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		checkAddr(t, netip.AddrFrom16([16]byte(b)).String())
		checkAddr(t, netip.AddrFrom4([4]byte(b[:4])).String())
	})
}

func FuzzParseAddr(f *testing.F) {
	f.Add("::ffff:10.0.0.1")
	f.Add("10.1.2.3")
	f.Fuzz(func(t *testing.T, text string) { checkAddr(t, text) })
}
