package job

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func drawID(t *rapid.T) ID {
	ms := rapid.Int64Range(0, 1<<48-1).Draw(t, "ms")
	random := rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random")
	return NewID(time.UnixMilli(ms), [10]byte(random))
}

func TestAnIDIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := drawID(t)
		got, err := ParseID(id.String())
		if err != nil || got != id {
			t.Fatalf("%s is read as %s: %v", id, got, err)
		}
		if got, err := IDFromBytes(id[:]); err != nil || got != id {
			t.Fatalf("the bytes of %s are read as %s: %v", id, got, err)
		}
	})
}

func TestAnIDIsAUUIDv7ToEverybodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := drawID(t)
		theirs, err := uuid.Parse(id.String())
		if err != nil {
			t.Fatal(err)
		}
		if theirs != uuid.UUID(id) || theirs.Version() != 7 || theirs.Variant() != uuid.RFC4122 {
			t.Fatalf("%s is version %d, variant %v", id, theirs.Version(), theirs.Variant())
		}
	})
}

func TestTheIDsOfOthersAreTaken(t *testing.T) {
	for range 100 {
		theirs, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ParseID(theirs.String())
		if err != nil || ours != ID(theirs) {
			t.Fatalf("%s is read as %s: %v", theirs, ours, err)
		}
	}
}

func TestAnIDCarriesItsTimeToTheMillisecond(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 123_456_789, time.UTC)
	id := NewID(at, [10]byte{})
	if got, want := id.Time(), at.Truncate(time.Millisecond); !got.Equal(want) {
		t.Errorf("time %s, want %s", got, want)
	}
}

func TestOnlyTheOneTextFormIsAnID(t *testing.T) {
	good := "0192f0c4-7a3e-7b2a-9c1d-0123456789ab"
	if _, err := ParseID(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":             "",
		"upper case":        strings.ToUpper(good),
		"braces":            "{" + good + "}",
		"urn":               "urn:uuid:" + good,
		"no hyphens":        strings.ReplaceAll(good, "-", ""),
		"hyphens elsewhere": "0192f0c47-a3e-7b2a-9c1d-0123456789ab",
		"too long":          good + "0",
		"too short":         good[1:],
		"not hex":           "0192f0c4-7a3e-7b2a-9c1d-0123456789ag",
		"hyphen for a hex":  "0192f0c4-7a3e-7b2a-9c1d-0123456789a-",
		"version 4":         "0192f0c4-7a3e-4b2a-9c1d-0123456789ab",
		"another variant":   "0192f0c4-7a3e-7b2a-cc1d-0123456789ab",
		"zero":              "00000000-0000-0000-0000-000000000000",
	} {
		if id, err := ParseID(text); !errors.Is(err, ErrBadID) {
			t.Errorf("%s: %q is read as %s: %v", name, text, id, err)
		}
	}
}

func TestSixteenBytesThatAreNoUUIDv7AreNoID(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, 15), make([]byte, 16), make([]byte, 17)} {
		if _, err := IDFromBytes(b); !errors.Is(err, ErrBadID) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if id := (ID{}); id.Valid() || !id.IsZero() {
		t.Error("the zero id is valid")
	}
}

// These are written down because schedulers, access and aggregators of
// different versions route by them.
func TestTheShardOfAJobNeverChanges(t *testing.T) {
	id, err := ParseID("0192f0c4-7a3e-7b2a-9c1d-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	// FNV-1a, 64 bits, written out.
	h := uint64(0xcbf29ce484222325)
	for _, b := range id {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	for _, count := range []uint16{1, 2, 64, 1000, 65535} {
		if got, want := ShardOf(id, count), uint16(h%uint64(count)); got != want {
			t.Errorf("of %d shards it is in %d, want %d", count, got, want)
		}
	}
	if got := ShardOf(id, 0); got != 0 {
		t.Errorf("of no shards it is in %d", got)
	}
}

func TestJobsOfOneMomentSpreadOverAllShards(t *testing.T) {
	const shards, jobs = 64, 64 * 200
	var held [shards]int
	for i := range jobs {
		held[ShardOf(NewID(dawn(), [10]byte{byte(i), byte(i >> 8), 3, 4, byte(i * 7)}), shards)]++
	}
	for n, count := range held {
		if count < 100 || count > 300 {
			t.Errorf("shard %d holds %d of %d jobs", n, count, jobs)
		}
	}
}

func TestTheGenerationOutranksTheNumber(t *testing.T) {
	ascending := []Epoch{{}, {0, 9}, {1, 0}, {1, 1}, {1, 7}, {2, 1}}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%v against %v: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestAShardIsNamedByPoolAndNumber(t *testing.T) {
	if got := (ShardID{"critical", 7}).String(); got != "critical/7" {
		t.Error(got)
	}
}
