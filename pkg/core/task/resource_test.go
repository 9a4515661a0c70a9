package task

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestResourcesAreNamedAndNumberedAsOnTheWire(t *testing.T) {
	text, err := os.ReadFile("../../../api/proto/ccs/executor/v1/executor.proto")
	if err != nil {
		t.Fatal(err)
	}
	var seen []Resource
	for _, m := range regexp.MustCompile(`(?m)^\s+RESOURCE_([A-Z]+) = (\d+);`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		seen = append(seen, Resource(n))
		if got := Resource(n).String(); got != strings.ToLower(m[1]) {
			t.Errorf("resource %d is %q here and %q on the wire", n, got, m[1])
		}
	}
	if !slices.Equal(seen, Resources()) {
		t.Errorf("the wire has %v, here are %v", seen, Resources())
	}
}

func TestAResourceIsKnownByItsNameAlone(t *testing.T) {
	for _, r := range Resources() {
		if got, ok := ParseResource(r.String()); !ok || got != r {
			t.Errorf("%q is read as %d, %v", r, got, ok)
		}
	}
	for _, name := range []string{"", "nofile", "CORE", "rss", "core "} {
		if r, ok := ParseResource(name); ok {
			t.Errorf("%q is read as %d", name, r)
		}
	}
	if Resource(0).String() != "" || Resource(9).String() != "" || Resource(0).Valid() || Resource(255).Valid() {
		t.Error("what is not a resource has a name")
	}
}

func TestAListOfLimitsHasOneForm(t *testing.T) {
	for want, limits := range map[string][]Rlimit{
		"":                       {{ResourceAS, 0}, {ResourceCore, Unlimited}, {ResourceStack, 1}},
		"not known here":         {{Resource(9), 1}},
		"core is given twice":    {{ResourceCore, 1}, {ResourceCore, 1}},
		"rlimit as is out of or": {{ResourceCore, 1}, {ResourceAS, 1}},
	} {
		if got := RlimitFault(limits); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", limits, got, want)
		}
	}
	if got := RlimitFault([]Rlimit{{Resource(0), 1}}); !strings.Contains(got, "not known here") {
		t.Errorf("resource 0: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(Resources()).Draw(t, "resources")
		var limits []Rlimit
		for _, r := range order {
			limits = append(limits, Rlimit{Resource: r, Value: 1})
		}
		if fault := RlimitFault(limits); (fault == "") != slices.IsSorted(order) {
			t.Fatalf("%v: %q", order, fault)
		}
	})
}
