package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// Names in the environment.
const (
	envPrefix = "CCSCTL_"
	envConfig = "CCSCTL_CONFIG"
)

// noHome is why there is no default configuration.
const noHome = "HOME is not set to a directory"

// inForce is the configuration in force and where it is from.
type inForce struct {
	config
	file   string
	found  bool              // there is such a file
	from   map[string]string // key → file, CCSCTL_…, --…; defaults are not in it
	faults []string
}

// configFile is the file that is read; named: the user asked for this one. Without
// a home there is no default: the directory that somebody happens to be in is not
// asked whom to trust.
func (a *app) configFile() (path string, named bool) {
	if a.config != "" {
		return a.config, true
	}
	if path := a.getenv(envConfig); path != "" {
		return path, true
	}
	if !filepath.IsAbs(a.getenv("HOME")) {
		return "", false
	}
	return filepath.Join(a.getenv("HOME"), ".config", "ccs", "config.yaml"), false
}

// loadConfig puts default, file, environment and flags above each other, the
// flags on top. The error lists every fault.
func (a *app) loadConfig() (inForce, error) {
	f := a.readConfig()
	if len(f.faults) == 0 {
		return f, nil
	}
	slices.Sort(f.faults)
	faults := indent(strings.Join(slices.Compact(f.faults), "\n"))
	switch {
	case f.file == "":
		return f, usagef("%s, so there is no default configuration: name one with --config or %s, or give flags or variables\n%s", noHome, envConfig, faults)
	case !f.found:
		return f, usagef("there is no configuration %s: write one (see ccsctl --help), name another with --config or %s, or give flags or variables\n%s", f.file, envConfig, faults)
	}
	return f, usagef("cannot use the configuration %s:\n%s", f.file, faults)
}

func (a *app) readConfig() inForce {
	f := inForce{config: defaultConfig(), from: map[string]string{}}
	v := viper.New()
	v.SetConfigType("yaml")
	var named bool
	f.file, named = a.configFile()
	content, err := []byte(nil), fs.ErrNotExist
	if f.file != "" {
		content, err = os.ReadFile(f.file)
	}
	f.found = err == nil || !errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && (named || f.found):
		f.faults = append(f.faults, fmt.Sprintf("the file cannot be read: %v", errors.Unwrap(err)))
		return f // what is missing nobody can tell
	case err == nil:
		if err := v.ReadConfig(bytes.NewReader(content)); err != nil {
			f.faults = append(f.faults, strings.TrimPrefix(oneLine(err.Error()), "While parsing config: ")) // what else is missing nobody can tell
			return f
		}
	}
	for _, key := range v.AllKeys() {
		if !slices.Contains(keyNames(), key) {
			f.faults = append(f.faults, fmt.Sprintf("%s: unknown key: there are %s", key, strings.Join(keyNames(), ", ")))
		}
	}
	f.faults = append(f.faults, a.unknownVariables()...)
	for _, s := range settings() {
		a.layer(&f, v, s)
	}
	f.faults = append(f.faults, f.validate(f.from)...)
	return f
}

// layer finds the value of one key.
func (a *app) layer(f *inForce, v *viper.Viper, s setting) {
	from := ""
	if v.InConfig(s.key) {
		from = "file"
	}
	if text := a.getenv(s.env()); text != "" {
		v.Set(s.key, text)
		from = s.env()
	}
	for _, flag := range a.settingFlags[s.key] {
		if flag.Changed {
			v.Set(s.key, reflect.ValueOf(s.of(&a.typed)).Elem().Interface())
			from = "--" + flag.Name
		}
	}
	if from == "" || v.Get(s.key) == nil {
		return
	}
	into := s.of(&f.config)
	if err := v.UnmarshalKey(s.key, into); err != nil {
		f.faults = append(f.faults, fmt.Sprintf("%s (%s): must be %s", s.key, from, wanted(into)))
		return
	}
	f.from[s.key] = from
	if list, ok := into.(*[]string); ok {
		for i := range *list {
			(*list)[i] = strings.TrimSpace((*list)[i])
		}
	}
	if p, ok := into.(*string); ok && s.path && from == "file" && *p != "" && !filepath.IsAbs(*p) {
		*p = filepath.Join(filepath.Dir(f.file), *p)
	}
}

// wanted says what a key takes.
func wanted(into any) string {
	switch into.(type) {
	case *int:
		return "a whole number"
	case *bool:
		return "true or false"
	case *[]string:
		return "a list of texts"
	}
	return "a text"
}

// unknownVariables are those that look like ours and mean nothing.
func (a *app) unknownVariables() (faults []string) {
	for _, entry := range a.environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(variables(), name) {
			faults = append(faults, fmt.Sprintf("%s: unknown variable: there are %s", name, strings.Join(variables(), ", ")))
		}
	}
	return faults
}
