package spool

import (
	"bytes"
	"testing"

	"github.com/ccs-project/ccs/pkg/host/proc"
)

// FuzzTheRecordsOfAnOperator: what is believed is exactly what is written.
func FuzzTheRecordsOfAnOperator(f *testing.F) {
	f.Add(Freeze{By: "ops", Since: someTime, Until: someTime, Why: "disk"}.encode())
	f.Add(Release{Process: proc.Identity{Boot: "b", PID: 7, Start: 9}, At: someTime, Why: "a backup"}.encode())
	f.Add(Link{Aggregator: "agg1", Address: "a:1", Since: someTime, Heard: someTime, ServerTime: someTime}.Encode())
	f.Add(newRecord("stop").opt("because", "x").encode())
	f.Add([]byte("record=\"freeze/1\"\nsum=\"0\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, again := range map[string]func() ([]byte, error){
			"freeze":  func() ([]byte, error) { r, err := decodeFreeze(data); return r.encode(), err },
			"release": func() ([]byte, error) { r, err := decodeRelease(data); return r.encode(), err },
			"link":    func() ([]byte, error) { r, err := DecodeLink(data); return r.Encode(), err },
		} {
			back, err := again()
			if err == nil && !bytes.Equal(back, data) && len(data) <= maxRecord && !sameRecord(data, back) {
				t.Errorf("%s: %q is believed and means %q", name, data, back)
			}
		}
	})
}

// sameRecord reports whether two records have the same fields; a time may be
// written in another zone, and fields may stand in another order.
func sameRecord(a, b []byte) bool {
	kinds := []string{"freeze", "release", "link"}
	for _, kind := range kinds {
		x, errX := decode(kind, a)
		y, errY := decode(kind, b)
		if errX == nil && errY == nil {
			return len(x.values) == len(y.values)
		}
	}
	return false
}
