package setup

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// orchestrated are variables that Kubernetes sets for a service named like a
// binary, such as CCS_SCHEDULER_PORT_7410_TCP.
var orchestrated = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknownEnv collects the variables of this program that mean nothing.
func (l *loader) unknownEnv(environ []string) {
	for _, name := range sortedKeys(environment(environ)) {
		rest, ours := strings.CutPrefix(name, l.prefix)
		if !ours || orchestrated.MatchString(rest) {
			continue
		}
		if slices.ContainsFunc(l.leaves, func(f leaf) bool { return f.env(l.prefix) == name }) {
			continue
		}
		hint := ""
		if near, ok := closest(name, l.leaves, func(f leaf) string { return f.env(l.prefix) }); ok {
			hint = "; did you mean " + near + "?"
		}
		l.faults = append(l.faults, fmt.Errorf("%s: unknown variable%s", name, hint))
	}
}

// nearest suggests the key that was meant, if one is near.
func (l *loader) nearest(key string) string {
	if near, ok := closest(key, l.leaves, func(f leaf) string { return f.key }); ok {
		return "; did you mean " + near + "?"
	}
	return ""
}

func (l *loader) nearestBelow(key string) string {
	for _, f := range l.leaves {
		if strings.HasPrefix(f.key, key+".") {
			return f.key
		}
	}
	return ""
}

// closest returns the name with the fewest edits, if they are few for its
// length. A key whose last part is right is near, wherever it was written.
func closest(word string, all []leaf, name func(leaf) string) (string, bool) {
	type candidate struct {
		name string
		far  int
	}
	var best []candidate
	for _, f := range all {
		n := name(f)
		far := edits(word, n)
		if strings.HasSuffix(n, "."+word) || strings.HasSuffix(word, "."+n) {
			far = min(far, 1)
		}
		if far <= max(1, len(word)/3) {
			best = append(best, candidate{n, far})
		}
	}
	if len(best) == 0 {
		return "", false
	}
	return slices.MinFunc(best, func(a, b candidate) int { return cmp.Compare(a.far, b.far) }).name, true
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// reason says what a key takes. It never shows the value: that may be secret.
func reason(kind reflect.Type, err error) error {
	switch {
	case kind == reflect.TypeFor[time.Duration]():
		return errors.New("must be a duration, such as 10s or 5m")
	case kind.Kind() == reflect.String:
		return errors.New("must be text; put it in quotes")
	case kind.Kind() == reflect.Bool:
		return errors.New("must be true or false")
	case kind.Kind() >= reflect.Int && kind.Kind() <= reflect.Int64:
		return errors.New("must be a whole number")
	case kind.Kind() >= reflect.Uint && kind.Kind() <= reflect.Uint64:
		return errors.New("must be a whole number, 0 or more")
	}
	text := err.Error()
	if field, ok := errors.AsType[*mapstructure.DecodeError](err); ok { // its own text names Go fields, not keys
		text = field.Unwrap().Error()
	}
	return errors.New(strings.TrimPrefix(strings.ReplaceAll(text, "\n", " "), "'' "))
}

// complaint writes the faults of a configuration for a person.
func complaint(name, verb, file string, err error) string {
	lines := strings.Split(err.Error(), "\n")
	count := "1 fault"
	if len(lines) > 1 {
		count = fmt.Sprintf("%d faults", len(lines))
	}
	var b strings.Builder
	said, nothing := typed(name, verb), "Nothing was started."
	if verb != "" {
		nothing = "Nothing was done."
	}
	fmt.Fprintf(&b, "%s: cannot use the configuration (file %s, environment %s*): %s\n", said, file, envPrefix(name), count)
	for _, line := range lines {
		b.WriteString("  " + line + "\n")
	}
	b.WriteString(nothing + " See " + said + " --help.\n")
	return b.String()
}
