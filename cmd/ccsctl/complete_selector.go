package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

// The end of a selector that is being typed.
var (
	openValue = regexp.MustCompile(`^(!?[^=!\s(),]+)\s*(?:==?|!=)\s*([^\s(),=]*)$`)
	openList  = regexp.MustCompile(`([^=!\s(),]+)\s+(?:in|notin)\s*\(([^()]*)$`)
	openKey   = regexp.MustCompile(`^\s*(!?)([^=!\s(),]*)$`)
)

// completeSelector completes the last term of a selector: a key, and behind =
// or in a list its values, as the hosts have them.
func (a *app) completeSelector(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const how = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	labels := labelsOf(a.allHosts(cmd))
	if m := openList.FindStringSubmatch(typed); m != nil {
		values := valuesOf(labels, m[1])
		out, _ := listed(values, m[2])
		return after(strings.TrimSuffix(typed, m[2]), out), how
	}
	term := typed[lastTerm(typed):]
	before := strings.TrimSuffix(typed, term)
	if m := openValue.FindStringSubmatch(term); m != nil {
		return after(before+strings.TrimSuffix(term, m[2]), beginning(valuesOf(labels, strings.TrimSpace(m[1])), m[2])), how
	}
	if m := openKey.FindStringSubmatch(term); m != nil {
		var keys []string
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			if m[1] == "" {
				key += "="
			}
			keys = append(keys, key)
		}
		return after(strings.TrimSuffix(typed, m[2]), beginning(keys, m[2])), how
	}
	return nil, how
}

// lastTerm is where the term begins that is being typed: behind the last comma
// that is in no list.
func lastTerm(text string) int {
	start, depth := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			start = i + 1
		}
	}
	return start
}

func after(before string, all []string) []string {
	for i := range all {
		all[i] = before + all[i]
	}
	return all
}

// labelsOf are the keys that hosts can be selected by, and their values with how
// many hosts have them.
func labelsOf(hosts []client.Host) map[string]map[string]int {
	all := map[string]map[string]int{}
	add := func(key, value string) {
		if all[key] == nil {
			all[key] = map[string]int{}
		}
		all[key][value]++
	}
	for _, h := range hosts {
		add("room", h.Room)
		add("id", h.ID)
		for key, value := range h.Labels {
			add(key, value)
		}
		for key, value := range h.Facts {
			add("fact."+key, value)
		}
	}
	return all
}

func valuesOf(labels map[string]map[string]int, key string) (values []string) {
	for _, v := range slices.Sorted(maps.Keys(labels[key])) {
		values = append(values, v+"\t"+plural(labels[key][v], "host"))
	}
	return values
}
