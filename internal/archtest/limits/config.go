package limits

import (
	"reflect"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/run/obs/export"
	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
	"github.com/ccs-project/ccs/pkg/state/store/postgres"
	"github.com/ccs-project/ccs/pkg/state/store/sqlite"
	"github.com/ccs-project/ccs/pkg/tier/access"
	"github.com/ccs-project/ccs/pkg/tier/aggregator"
	"github.com/ccs-project/ccs/pkg/tier/executor"
	"github.com/ccs-project/ccs/pkg/tier/issuer"
	"github.com/ccs-project/ccs/pkg/tier/scheduler"
)

// Config is the configuration of a package with its defaults.
type Config struct {
	At      string // the package
	Below   string // the key that its keys are below; empty: none
	Default any
}

// Configs are those that have numbers.
func Configs() []Config {
	return []Config{
		{"tier/access", "", access.DefaultConfig()},
		{"tier/scheduler", "", scheduler.DefaultConfig()},
		{"tier/aggregator", "", aggregator.DefaultConfig()},
		{"tier/executor", "", executor.Default()},
		{"tier/issuer", "", issuer.DefaultConfig()},
		{"state/store/sqlite", "store", sqlite.DefaultConfig()},
		{"state/store/postgres", "store", postgres.DefaultConfig()},
		{"cmd/scheduler", "", struct{}{}}, // its section store is that of the two stores
		{"state/coord/etcd", "etcd", etcd.DefaultConfig()},
		{"cmd/aggregator", "", programs{}},
		{"run/obs/export", "", export.Config{Trace: export.Trace{Ratio: 1, PerSecond: 10}}}, // as cmd/internal/setup has it
	}
}

// programs are the numbers of a program's own, which cannot be imported; their
// defaults are read from its source.
type programs struct {
	SpoolBytes int64 `mapstructure:"spool_bytes"`
}

// Number is a field of a configuration and its default.
type Number struct {
	Key    string
	Field  string // in Go
	Value  int64  // of a fraction: nothing
	IsTime bool
}

// Numbers are the numbers of a configuration.
func (c Config) Numbers() []Number {
	return numbers(c.Below, reflect.ValueOf(c.Default))
}

// Packages are those whose fields these are.
func (c Config) Packages() (found []string) {
	found = append(found, c.At)
	for _, field := range reflect.ValueOf(c.Default).Fields() {
		if field.Kind() == reflect.Struct {
			found = append(found, at(strings.TrimPrefix(field.Type().PkgPath(), module)))
		}
	}
	return found
}

func numbers(below string, v reflect.Value) (found []Number) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		key := strings.Trim(below+"."+name, ".")
		if strings.Contains(options, "squash") {
			key = below
		}
		switch value := v.Field(i); {
		case name == "" && options == "":
		case value.Kind() == reflect.Struct:
			found = append(found, numbers(key, value)...)
		case value.CanInt():
			found = append(found, Number{key, field.Name, value.Int(), field.Type == reflect.TypeFor[time.Duration]()})
		case value.CanUint():
			found = append(found, Number{key, field.Name, int64(value.Uint()), false})
		case value.CanFloat():
			found = append(found, Number{Key: key, Field: field.Name})
		}
	}
	return found
}
