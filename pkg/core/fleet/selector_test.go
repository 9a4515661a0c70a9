package fleet

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustParse(tb rapid.TB, text string) Selector {
	tb.Helper()
	s, err := ParseSelector(text)
	if err != nil {
		tb.Fatalf("ParseSelector(%q): %v", text, err)
	}
	return s
}

func TestASelectorMeansWhatItSays(t *testing.T) {
	h := aHost("web-1", "bj01")
	h.Labels = map[string]string{"app": "web", "env": "test", "in": "here"}
	h.Facts = map[string]string{"os": "linux", "kernel": "6.1.0-18-amd64"}
	for text, want := range map[string]bool{
		"room=bj01":  true,
		"room==bj01": true,
		"room!=bj01": false,
		"room=bj01,app in (web,api),!canary,env!=prod,tier notin (a,b),env": true,
		" room = bj01 ,\tapp  in( web , api )\n, ! canary ":                 true,
		"id=web-1":                   true,
		"host=web-1":                 true,
		"host in (web-1,web-2)":      true,
		"id=web-2":                   false,
		"fact.os=linux":              true,
		"fact.os!=linux":             false,
		"fact.kernel=6.1.0-18-amd64": true,
		"fact.arch":                  false,
		"!fact.arch":                 true,
		"os":                         false,
		"app":                        true,
		"!app":                       false,
		"app=web,app=api":            false,
		"app in (api)":               false,
		"app notin (api)":            true,
		"app notin (api,web)":        false,
		"canary!=yes":                true,
		"canary=yes":                 false,
		"in in (here,there)":         true,
		"in":                         true,
		"notin":                      false,
		"notin notin (in)":           true,
		"APP":                        false,
		"!room":                      false,
	} {
		if got := mustParse(t, text).Match(h); got != want {
			t.Errorf("%q matches: %t, want %t", text, got, want)
		}
	}
}

func TestTheZeroSelectorMatchesNothing(t *testing.T) {
	var s Selector
	if s.Match(aHost("a", "r")) || !s.IsZero() || s.String() != "" {
		t.Error("the zero selector matches a host")
	}
}

func TestACanonicalSelectorIsSortedAndShort(t *testing.T) {
	for text, want := range map[string]string{
		"b,a":                              "a,b",
		"a,a":                              "a",
		"host==x":                          "id=x",
		"!host":                            "!id",
		"app in (web)":                     "app=web",
		"app notin ( web , web )":          "app!=web",
		"app in (web,api,web)":             "app in (api,web)",
		"!canary, app in (web,api),room=r": "app in (api,web),!canary,room=r",
	} {
		if got := mustParse(t, text).String(); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

func TestASyntaxErrorPointsAtTheFault(t *testing.T) {
	for _, c := range []struct {
		text     string
		pos      int
		expected string
	}{
		{"", 0, "a key"},
		{"   ", 3, "a key"},
		{"a,", 2, "a key"},
		{",a", 0, "a key"},
		{"a=", 2, "a value"},
		{"a=b c", 4, "','"},
		{"a b", 2, "'='"},
		{"a in", 4, "'('"},
		{"a in b", 5, "'('"},
		{"a in (", 6, "a value"},
		{"a in ()", 6, "a value"},
		{"a in (b", 7, "',' or ')'"},
		{"a in (b,)", 8, "a value"},
		{"a in (b c)", 8, "',' or ')'"},
		{"!", 1, "a key"},
		{"!!a", 1, "a key"},
		{"!a=b", 2, "','"},
		{"a=b=c", 3, "','"},
		{"a=*", 2, "a value"},
		{"ä=b", 0, "a key"},
		{"fact.=x", 0, "a key"},
		{"room=bj01,app=(web)", 14, "a value"},
		{"-a", 0, "a key"},
		{strings.Repeat("k", 64), 0, "a key"},
		{"a=" + strings.Repeat("v", 257), 2, "a value of at most 256"},
		{strings.Repeat("a,", 64) + "a", 128, "at most 64 terms"},
		{"a" + strings.Repeat(" ", 4096), 4096, "at most 4096 bytes"},
	} {
		_, err := ParseSelector(c.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v, want a *SyntaxError", c.text, err)
			continue
		}
		if syntax.Pos != c.pos || !strings.Contains(syntax.Expected, c.expected) || syntax.Text != c.text {
			t.Errorf("%q: at %d expected %q, want at %d something like %q", c.text, syntax.Pos, syntax.Expected, c.pos, c.expected)
		}
	}
}

func TestAPersonSeesWhereASelectorIsWrong(t *testing.T) {
	_, err := ParseSelector("room=bj01,app in web")
	want := "cannot read selector at column 18: expected '(' and the values, such as (web,api), found 'w'\n" +
		"  room=bj01,app in web\n" +
		"                   ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	_, err = ParseSelector("app=")
	want = "cannot read selector at column 5: expected a value of letters, digits and ._-/:@+~, found the end\n" +
		"  app=\n" +
		"      ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestTheErrorOfALongSelectorIsShort(t *testing.T) {
	text := strings.Repeat("app=日\n", 1) + strings.Repeat("x", 4000)
	_, err := ParseSelector(text)
	if err == nil || len(err.Error()) > 600 {
		t.Fatalf("got %v", err)
	}
	_, err = ParseSelector(strings.Repeat("a=b,", 40) + "?" + strings.Repeat("x", 400))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], "  ...") || !strings.HasSuffix(lines[1], "...") {
		t.Fatalf("got\n%v", err)
	}
	if caret := strings.IndexByte(lines[2], '^'); lines[1][caret] != '?' {
		t.Errorf("the caret does not stand under the fault:\n%v", err)
	}
}

func TestASelectorAtItsLimitsIsRead(t *testing.T) {
	terms := make([]string, MaxTerms)
	for i := range terms {
		terms[i] = "k" + strings.Repeat("x", i%10) + "=v"
	}
	text := strings.Join(terms, ",")
	mustParse(t, text+strings.Repeat(" ", MaxSelector-len(text)))
}

// The oracle: conditions that are spelled at random and judged without a
// parser.
type condition struct {
	key    string
	op     string
	values []string
}

func (c condition) holds(h Host) bool {
	all := map[string]string{"room": string(h.Room), "id": string(h.ID), "host": string(h.ID)}
	maps.Copy(all, h.Labels)
	for k, v := range h.Facts {
		all["fact."+k] = v
	}
	value, has := all[c.key]
	among := slices.Contains(c.values, value)
	switch c.op {
	case "":
		return has
	case "!":
		return !has
	case "=", "==", "in":
		return has && among
	}
	return !has || !among
}

func (c condition) spell(t *rapid.T) string {
	space := func() string { return rapid.SampledFrom([]string{"", "", " ", "\t ", "\n"}).Draw(t, "space") }
	switch c.op {
	case "":
		return space() + c.key + space()
	case "!":
		return space() + "!" + space() + c.key + space()
	case "in", "notin":
		var values []string
		for _, v := range c.values {
			values = append(values, space()+v+space())
		}
		return space() + c.key + " " + space() + c.op + space() + "(" + strings.Join(values, ",") + ")" + space()
	}
	return space() + c.key + space() + c.op + space() + c.values[0] + space()
}

func drawCondition(t *rapid.T) condition {
	c := condition{
		key: rapid.SampledFrom([]string{"room", "id", "host", "app", "env", "in", "notin", "fact.os", "fact.n"}).Draw(t, "key"),
		op:  rapid.SampledFrom([]string{"", "!", "=", "==", "!=", "in", "notin"}).Draw(t, "op"),
	}
	values := rapid.SampledFrom([]string{"a", "b", "c", "in", "notin", "x.y/z:1@2+3~4_5-6"})
	most := 1
	if c.op == "in" || c.op == "notin" {
		most = 4
	}
	if c.op != "" && c.op != "!" {
		c.values = rapid.SliceOfN(values, 1, most).Draw(t, "values")
	}
	return c
}

func drawHost(t *rapid.T) Host {
	h := aHost(HostID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")), Room(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "room")))
	values := rapid.SampledFrom([]string{"a", "b", "c", "in"})
	h.Labels = rapid.MapOfN(rapid.SampledFrom([]string{"app", "env", "in", "notin"}), values, 0, 3).Draw(t, "labels")
	h.Facts = rapid.MapOfN(rapid.SampledFrom([]string{"os", "n"}), values, 0, 2).Draw(t, "facts")
	return h
}

func TestAnySelectorMatchesAsItsTermsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spelled []string
		h, want := drawHost(t), true
		for range rapid.IntRange(1, 5).Draw(t, "terms") {
			c := drawCondition(t)
			spelled = append(spelled, c.spell(t))
			want = want && c.holds(h)
		}
		text := strings.Join(spelled, ",")
		s := mustParse(t, text)
		if got := s.Match(h); got != want {
			t.Fatalf("%q matches %+v: %t, want %t", text, h, got, want)
		}
		if again := mustParse(t, s.String()); !slices.EqualFunc(s.terms, again.terms, equalTerms) || again.Match(h) != want {
			t.Fatalf("%q is written %q, which is read as %q", text, s, again)
		}
	})
}

func FuzzParseSelector(f *testing.F) {
	for _, seed := range []string{"room=bj01,app in (web,api),!canary,env!=prod,tier notin (a,b),has", "fact.os == linux", "a in (", "!", "ä"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		var syntax *SyntaxError
		switch {
		case errors.As(err, &syntax):
			if syntax.Pos < 0 || syntax.Pos > len(text) || syntax.Error() == "" {
				t.Fatalf("%q: position %d", text, syntax.Pos)
			}
		case err != nil:
			t.Fatalf("%q: %v is no *SyntaxError", text, err)
		default:
			if again := mustParse(t, s.String()); again.String() != s.String() || s.IsZero() {
				t.Fatalf("%q is written %q, and that %q", text, s, again)
			}
			s.Match(aHost("a", "r"))
		}
	})
}
