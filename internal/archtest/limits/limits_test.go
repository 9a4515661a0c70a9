package limits

import (
	"fmt"
	"strings"
	"testing"
)

const root = "../../.."

func read(t *testing.T, root string) *Source {
	t.Helper()
	s, err := ReadSource(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryLimitIsInTheTableWithATestThatFillsIt(t *testing.T) {
	for _, fault := range read(t, root).Check(Table(), Exempts(), Configs()) {
		t.Error(fault)
	}
}

func TestEveryRowReadsAsOne(t *testing.T) {
	for _, l := range Table() {
		for _, text := range []string{l.Of, l.How, l.Unit} {
			if strings.ContainsAny(text, "|\n") || strings.HasSuffix(text, ".") {
				t.Errorf("%s.%s: %q is no part of a table", l.At, l.Name, text)
			}
		}
		if l.Of == "" || l.Full == "" {
			t.Errorf("%s.%s: it is not said what it bounds, or what happens", l.At, l.Name)
		}
	}
}

// TestTheCheckFindsWhatIsMissing plants one fault after another.
func TestTheCheckFindsWhatIsMissing(t *testing.T) {
	s := read(t, "testdata/planted")
	good := []Limit{
		{"tier/a", "maxThings", "things", "things", Refused, "", "TestThings"},
		{"tier/a", "queue_size", "things", "things", Waits, "", "tier/a.TestThings"},
	}
	exempt := []Exempt{{"tier/a", "mostPace", "a pace"}, {"tier/a", "pace", "a pace"}}
	type section struct {
		Pace int `mapstructure:"pace"`
	}
	configs := []Config{{"tier/a", "", struct {
		Queue   int64   `mapstructure:"queue_size"`
		Section section `mapstructure:",squash"`
	}{Queue: 7}}}
	if faults := s.Check(good, exempt, configs); len(faults) > 0 {
		t.Fatalf("nothing is wrong, and found is %v", faults)
	}
	for what, c := range map[string]struct {
		table  []Limit
		exempt []Exempt
		config []Config
		says   string
	}{
		"a constant without a row":      {good[1:], exempt, configs, "tier/a.maxThings bounds something"},
		"a key without a row":           {good[:1], exempt, configs, "tier/a.queue_size is a number"},
		"a key that is not exempt":      {good, exempt[:1], configs, "tier/a.pace is a number"},
		"an exemption without a reason": {good, []Exempt{exempt[0], {"tier/a", "pace", ""}}, configs, "without a reason"},
		"an exemption of nothing":       {good, append([]Exempt{{"tier/a", "maxOld", "x"}}, exempt...), configs, "tier/a.maxOld is exempt"},
		"a row of nothing":              {append([]Limit{{"tier/a", "maxOld", "", "x", Refused, "", "TestThings"}}, good...), exempt, configs, "tier/a.maxOld has a row"},
		"a test that is not there":      {[]Limit{good[0], {"tier/a", "queue_size", "things", "things", Waits, "", "TestOther"}}, exempt, configs, "no test TestOther"},
		"a package that is not known":   {good, exempt, nil, "tier/a has numbers in its configuration"},
		"a row that is there twice":     {append(good, good[0]), exempt, configs, "twice"},
	} {
		if faults := s.Check(c.table, c.exempt, c.config); !strings.Contains(fmt.Sprint(faults), c.says) {
			t.Errorf("%s: found is %q, want one with %q", what, faults, c.says)
		}
	}
}

func TestConstantsAreReadAsTheCompilerDoes(t *testing.T) {
	s := read(t, root)
	for name, want := range map[string]int64{
		"tier/scheduler.roomOfLarge": 2_000_000, "trust/capsule.MaxLife": int64(31 * 24 * 3600e9), "tier/aggregator.mostHostBytes": 32 << 20,
		"trust/capsule.maxEnvelopeJSON": (3<<19)/3*4 + 4096, "tier/scheduler/shard.maxLive": 20_000,
	} {
		dir, constant, _ := strings.Cut(name, ".")
		if got, _, err := s.Value(Dir(dir), constant); got != want || err != nil {
			t.Errorf("%s is read as %d, %v; want %d", name, got, err, want)
		}
	}
	if _, isTime, err := s.Value("pkg/tier/access", "viewerTimeout"); !isTime || err != nil {
		t.Errorf("a time is not read as one: %v", err)
	}
	if _, _, err := s.Value("pkg/tier/access", "noSuchThing"); err == nil {
		t.Error("a constant is read that is not there")
	}
}
