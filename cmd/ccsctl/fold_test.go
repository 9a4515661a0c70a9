package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHostsAreListedCompactly(t *testing.T) {
	for hosts, want := range map[string]string{
		"h1":                            "h1",
		"h1 h2 h3 h4":                   "h[1-4]",
		"h1 h2 h4 h10 h11":              "h[1-2,4,10-11]",
		"web1 web2 db1":                 "db1,web[1-2]",
		"web1.bj01 web2.bj01 web3.bj01": "web[1-3].bj01",
		"web1.bj01 web1.bj02":           "web1.bj[01-02]",
		"n08 n09 n10 n11":               "n[08-11]",
		"n8 n9 n10":                     "n[8-10]",
		"n1 n01":                        "n[1,01]",
		"alpha beta":                    "alpha,beta",
		"7 8":                           "[7-8]",
		"":                              "",
	} {
		if got := fold(strings.Fields(hosts)); got != want {
			t.Errorf("%s became %s, want %s", hosts, got, want)
		}
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%c%c", 'a'+i%26, 'a'+i/26%26)+"x")
	}
	if got := fold(many); len(got) > maxFolded+30 || !strings.HasSuffix(got, "1000 in all") {
		t.Errorf("a long list became %s", got)
	}
}

// unfold is what fold says, read back.
func unfold(text string) (hosts []string) {
	for text != "" {
		open, comma := strings.IndexByte(text, '['), strings.IndexByte(text, ',')
		if open < 0 || comma >= 0 && comma < open {
			head, rest, _ := strings.Cut(text, ",")
			hosts, text = append(hosts, head), rest
			continue
		}
		before := text[:open]
		inside, rest, _ := strings.Cut(text[open+1:], "]")
		after, next, _ := strings.Cut(rest, ",")
		for part := range strings.SplitSeq(inside, ",") {
			first, last, is := strings.Cut(part, "-")
			if !is {
				last = first
			}
			var from, to int
			_, _ = fmt.Sscan(strings.TrimLeft(first, "0")+" ", &from)
			_, _ = fmt.Sscan(strings.TrimLeft(last, "0")+" ", &to)
			for n := from; n <= to; n++ {
				number := fmt.Sprint(n)
				if len(first) > 1 && first[0] == '0' {
					number = fmt.Sprintf("%0*d", len(first), n)
				}
				hosts = append(hosts, before+number+after)
			}
		}
		text = next
	}
	return hosts
}

func TestAFoldedListNamesExactlyTheHostsItWasMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]{0,1}[0-9]{1,2}(\.r[0-9]{1,2})?`), 1, 12, rapid.ID).Draw(t, "hosts")
		text := fold(slices.Clone(hosts))
		if strings.Contains(text, "in all") {
			t.Skip("too long to be whole")
		}
		got := unfold(text)
		slices.Sort(got)
		slices.Sort(hosts)
		if !slices.Equal(got, hosts) {
			t.Fatalf("%v became %s, which is %v", hosts, text, got)
		}
	})
}
