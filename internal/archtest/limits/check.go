package limits

import (
	"fmt"
	"slices"
	"strings"
)

// Check returns what is wrong with a table, sorted.
func (s *Source) Check(table []Limit, exempts []Exempt, configs []Config) (faults []string) {
	c := checking{known: map[string]bool{}, there: map[string]bool{}}
	for _, l := range table {
		c.know(l.At+"."+l.Name, "has a row")
		dir, test := testOf(l)
		if !s.HasTest(dir, test) {
			c.fault("%s.%s: there is no test %s in %s; name the one that fills the limit", l.At, l.Name, test, dir)
		}
		if _, _, err := s.Value(Dir(l.At), l.Name); err == nil {
			c.there[l.At+"."+l.Name] = true
		}
	}
	for _, e := range exempts {
		c.know(e.At+"."+e.Name, "is exempt")
		if e.Why == "" {
			c.fault("%s.%s is exempt without a reason", e.At, e.Name)
		}
	}
	for _, found := range s.Bounding() {
		c.want(found[0]+"."+found[1], "bounds something, by its name")
	}
	registered := map[string]bool{}
	for _, of := range configs {
		for _, at := range of.Packages() {
			registered[at] = true
		}
		for _, n := range of.Numbers() {
			c.want(of.At+"."+n.Key, "is a number of the configuration")
		}
	}
	for at := range s.Configured() {
		if !registered[at] {
			c.fault("%s has numbers in its configuration: add it to Configs in internal/archtest/limits", at)
		}
	}
	for name := range c.known {
		if !c.there[name] {
			c.fault("%s, and is not there any more: take it out", c.how(name))
		}
	}
	slices.Sort(c.faults)
	return c.faults
}

// checking is a check under way.
type checking struct {
	known  map[string]bool   // by package and name
	hows   map[string]string // how it is known
	there  map[string]bool
	faults []string
}

func (c *checking) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

func (c *checking) know(name, how string) {
	if c.known[name] {
		c.fault("%s is there twice", name)
	}
	if c.hows == nil {
		c.hows = map[string]string{}
	}
	c.known[name], c.hows[name] = true, how
}

func (c *checking) how(name string) string { return name + " " + c.hows[name] }

// want is a limit that has to be known.
func (c *checking) want(name, why string) {
	c.there[name] = true
	if !c.known[name] {
		c.fault("%s %s: add a row to the table in internal/archtest/limits with the test that fills it, or an exemption with its reason", name, why)
	}
}

// testOf is the directory and the name of a row's test.
func testOf(l Limit) (dir, name string) {
	if at, name, elsewhere := strings.Cut(l.Test, "."); elsewhere {
		return Dir(at), name
	}
	return Dir(l.At), l.Test
}
