package main

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// config is what the program can be told once and for all: in its file, in the
// environment, by flags.
type config struct {
	Addresses    []string
	TLS          files
	SigningKey   string
	Output       string
	ConfirmAbove int // hosts; above that a run asks
	UTC          bool
	NoColor      bool
}

type files struct{ Cert, Key, CA string }

// defaultConfirmAbove is how many hosts a run may have without being asked.
const defaultConfirmAbove = 100

func defaultConfig() config {
	return config{Output: formatPlain, ConfirmAbove: defaultConfirmAbove}
}

func (c config) client() client.Config {
	return client.Config{Addresses: c.Addresses, CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, CAFile: c.TLS.CA, SigningKey: c.SigningKey}
}

// validate lists every fault; from says where a value is from.
func (c config) validate(from map[string]string) (faults []string) {
	label := func(key string) string {
		if where := from[key]; where != "" {
			return key + " (" + where + ")"
		}
		return key
	}
	if err := c.client().Validate(); err != nil {
		faults = strings.Split(err.Error(), "\n")
	}
	for _, a := range c.Addresses {
		host, port, err := net.SplitHostPort(a)
		if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || port == "" {
			faults = append(faults, label("addresses")+": "+quoted(a)+" is not host:port, such as ccs.example.org:7400")
		} else if portErr != nil || n == 0 {
			faults = append(faults, label("addresses")+": "+quoted(a)+" has no port from 1 to 65535, such as 7400")
		}
	}
	if err := checkFormat(c.Output); err != nil {
		faults = append(faults, label("output")+": "+err.Error())
	}
	if c.ConfirmAbove < 0 {
		faults = append(faults, label("confirm_above")+": give a number of hosts, 0 or more; 0 asks always")
	}
	return faults
}

// setting is one key of the configuration.
type setting struct {
	key  string // in the file; its variable is CCSCTL_ and the same in capitals
	flag string // empty: --key
	path bool   // of a file; relative to the configuration file if it is from there
	of   func(*config) any
	add  func(*pflag.FlagSet, *config, string)
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings are all keys, in alphabetical order.
func settings() []setting {
	file := func(key, what string, of func(*config) *string) setting {
		return setting{
			key: key, path: true, of: func(c *config) any { return of(c) },
			add: func(f *pflag.FlagSet, c *config, name string) { f.StringVar(of(c), name, "", "PEM `FILE` of "+what) },
		}
	}
	return []setting{
		{
			key: "addresses", flag: "address", of: func(c *config) any { return &c.Addresses },
			add: func(f *pflag.FlagSet, c *config, name string) {
				f.StringSliceVar(&c.Addresses, name, nil, "`HOST:PORT` of access; several are replicas of each other")
			},
		},
		{
			key: "confirm_above", of: func(c *config) any { return &c.ConfirmAbove },
			add: func(f *pflag.FlagSet, c *config, name string) {
				f.IntVar(&c.ConfirmAbove, name, 0, "ask before running on more than `N` hosts; 0: always (default 100)")
			},
		},
		{
			key: "no_color", of: func(c *config) any { return &c.NoColor },
			add: func(f *pflag.FlagSet, c *config, name string) {
				f.BoolVar(&c.NoColor, name, false, "no colours, on a terminal either; as NO_COLOR does")
			},
		},
		{
			key: "output", of: func(c *config) any { return &c.Output },
			add: func(f *pflag.FlagSet, c *config, name string) {
				f.StringVarP(&c.Output, name, "o", "", "`FORMAT` of what is printed: plain, wide, json or yaml (default plain)")
			},
		},
		file("signing_key", "the key that signs your jobs", func(c *config) *string { return &c.SigningKey }),
		file("tls.ca", "the certificates of the CA", func(c *config) *string { return &c.TLS.CA }),
		file("tls.cert", "your certificate", func(c *config) *string { return &c.TLS.Cert }),
		file("tls.key", "the private key of your certificate", func(c *config) *string { return &c.TLS.Key }),
		{
			key: "utc", of: func(c *config) any { return &c.UTC },
			add: func(f *pflag.FlagSet, c *config, name string) {
				f.BoolVar(&c.UTC, name, false, "times in UTC instead of the zone of this machine or of TZ")
			},
		},
	}
}

func (s setting) flagName() string {
	if s.flag != "" {
		return s.flag
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
}

// addSettings makes the flags of keys; without names: of all but confirm_above,
// which is for the verbs that ask.
func (a *app) addSettings(f *pflag.FlagSet, keys ...string) {
	for _, s := range settings() {
		wanted := slices.Contains(keys, s.key) || len(keys) == 0 && s.key != "confirm_above"
		if !wanted {
			continue
		}
		s.add(f, &a.typed, s.flagName())
		a.settingFlags[s.key] = append(a.settingFlags[s.key], f.Lookup(s.flagName()))
	}
}

// keyNames are the keys that there are.
func keyNames() (names []string) {
	for _, s := range settings() {
		names = append(names, s.key)
	}
	return names
}

// variables are the environment variables that there are.
func variables() (names []string) {
	for _, s := range settings() {
		names = append(names, s.env())
	}
	return append(names, envConfig)
}
