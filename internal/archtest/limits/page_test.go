package limits

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write docs/limits.md from the table")

const limitsPage = root + "/docs/limits.md"

// TestTheLimitsPageIsCurrent generates docs/limits.md from the table and
// compares. `go test ./internal/archtest/limits -rewrite` writes it.
func TestTheLimitsPageIsCurrent(t *testing.T) {
	want, err := read(t, root).Page()
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(limitsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(limitsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/limits.md is not what the table says; run `go test ./internal/archtest/limits -rewrite` and read the difference")
	}
}

func TestThePageSaysEveryAnswerThatIsGiven(t *testing.T) {
	page, err := read(t, root).Page()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Table() {
		if !strings.Contains(page, "\n| "+string(l.Full)+" | ") {
			t.Errorf("the page does not say what %q means", l.Full)
		}
	}
	rows := 0
	for _, section := range sections {
		rows += len(section.rows())
	}
	if rows != len(Table()) {
		t.Errorf("the page has %d rows, the table %d", rows, len(Table()))
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for got, want := range map[string]string{
		duration(366 * 24 * time.Hour): "366 days", duration(24 * time.Hour): "24 h", duration(90 * time.Second): "90 s",
		duration(10 * time.Minute): "10 min", duration(20 * time.Millisecond): "20ms",
		bytes(3 << 19): "1.5 MiB", bytes(64): "64 bytes", bytes(512 << 20): "512 MiB", bytes(4 << 30): "4 GiB", bytes(2101248): "2052 KiB",
		grouped(500_000): "500,000", grouped(1_048_576): "1,048,576", grouped(7): "7", grouped(1_005): "1,005",
	} {
		if got != want {
			t.Errorf("written is %q, want %q", got, want)
		}
	}
}
