package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxFolded is how long a folded list may be, in bytes.
const maxFolded = 300

// split is a name cut at one of its numbers.
type split struct{ before, after string }

// fold is a list of hosts, compactly: h1 h2 h3 db1 is db1,h[1-3]. Of a name
// with several numbers the one is folded that most others share the rest with.
func fold(hosts []string) string {
	sizes := map[split]int{}
	for _, h := range hosts {
		for s := range splits(h) {
			sizes[s]++
		}
	}
	bundles := map[split][]string{} // numbers, as written
	var parts []string
	for _, h := range hosts {
		best, number := split{}, ""
		for s, n := range splits(h) {
			if number == "" || better(s, best, sizes) {
				best, number = s, n
			}
		}
		if sizes[best] < 2 || number == "" {
			parts = append(parts, h)
			continue
		}
		bundles[best] = append(bundles[best], number)
	}
	for s, numbers := range bundles {
		if len(numbers) == 1 {
			parts = append(parts, s.before+numbers[0]+s.after)
			continue
		}
		parts = append(parts, s.before+"["+ranges(numbers)+"]"+s.after)
	}
	slices.Sort(parts)
	return clip(parts, len(hosts))
}

// clip keeps a list within what a person reads.
func clip(parts []string, hosts int) string {
	text := strings.Join(parts, ",")
	if len(text) <= maxFolded {
		return text
	}
	cut := strings.LastIndexByte(text[:maxFolded], ',')
	return fmt.Sprintf("%s,... %d in all", text[:max(cut, 0)], hosts)
}

func better(s, than split, sizes map[split]int) bool {
	return cmp.Or(sizes[s]-sizes[than], len(s.after)-len(than.after), strings.Compare(s.before, than.before)) > 0
}

// splits are all ways to cut a name at a number of up to 9 digits.
func splits(name string) map[split]string {
	out := map[split]string{}
	for i := 0; i < len(name); i++ {
		end := i
		for end < len(name) && name[end] >= '0' && name[end] <= '9' {
			end++
		}
		if end > i && end-i <= 9 {
			out[split{name[:i], name[end:]}] = name[i:end]
		}
		i = max(i, end)
	}
	return out
}

// ranges is numbers in order, runs of them as first-last. Numbers with leading
// zeros run only with those of the same length.
func ranges(numbers []string) string {
	padded := slices.ContainsFunc(numbers, func(n string) bool { return len(n) > 1 && n[0] == '0' })
	value := func(n string) int {
		v, _ := strconv.Atoi(n) // digits, at most nine
		return v
	}
	slices.SortFunc(numbers, func(a, b string) int {
		if padded {
			return cmp.Or(len(a)-len(b), value(a)-value(b))
		}
		return value(a) - value(b)
	})
	var parts []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && value(numbers[last+1]) == value(numbers[last])+1 && (!padded || len(numbers[last+1]) == len(numbers[last])) {
			last++
		}
		text := numbers[i]
		if last > i {
			text += "-" + numbers[last]
		}
		parts = append(parts, text)
		i = last + 1
	}
	return strings.Join(parts, ",")
}
