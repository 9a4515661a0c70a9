package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/pkg/run/obs/export"
)

// tracesPerSecond is the default of trace.per_second: enough to look at, and
// nothing beside the jobs of a busy cluster.
const tracesPerSecond = 10

// origins says where the value of a key is from; keys at their default are not
// in it.
type origins map[string]string

// load returns the configuration in force: defaults, then the file, then the
// environment. The error joins every fault.
func load[C any](prog Program[C], o options, s surroundings) (full[C], origins, error) {
	cfg := full[C]{App: prog.Default}
	cfg.Common.Log.Level = "info"
	cfg.Common.MetricsListen = prog.MetricsListen
	cfg.Common.Export.Trace = export.Trace{Ratio: prog.TraceRatio, PerSecond: tracesPerSecond}
	tree, content, err := readFile(o)
	if err != nil {
		return cfg, nil, err
	}
	l := loader{prefix: envPrefix(prog.Name), leaves: leaves(reflect.TypeOf(cfg)), tree: tree, origin: origins{}}
	l.layers, err = layers(l.leaves, l.prefix, content, environment(s.environ))
	if err != nil {
		return cfg, nil, err
	}
	l.unknownKeys(nil, tree)
	l.unknownEnv(s.environ)
	value := reflect.ValueOf(&cfg).Elem()
	for _, leaf := range l.leaves {
		l.set(leaf, value.FieldByIndex(leaf.index), environment(s.environ))
	}
	l.faults = append(l.faults, cfg.Common.Validate(), validate(prog, cfg.App))
	return cfg, l.origin, errors.Join(l.faults...)
}

// readFile returns what the file says, twice: as a tree and as bytes. Without a
// file there is nothing, unless it was named.
func readFile(o options) (map[string]any, []byte, error) {
	content, err := os.ReadFile(o.file)
	if errors.Is(err, fs.ErrNotExist) && !o.given {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the file: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(content, &tree); err != nil {
		return nil, nil, fmt.Errorf("cannot read the file as YAML: %w", err)
	}
	return tree, content, nil
}

// layers returns file and environment, one above the other.
func layers(leaves []leaf, prefix string, content []byte, env map[string]string) (*viper.Viper, error) {
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(content)); err != nil {
		return nil, fmt.Errorf("cannot read the file as YAML: %w", err)
	}
	for _, leaf := range leaves {
		if text, set := env[leaf.env(prefix)]; set {
			v.Set(leaf.key, text)
		}
	}
	return v, nil
}

func environment(environ []string) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}

// loader fills a configuration and collects what is wrong.
type loader struct {
	prefix string
	leaves []leaf
	layers *viper.Viper
	tree   map[string]any // of the file, as it was written: viper lowers the keys of maps
	origin origins
	faults []error
}

// set fills the field of one key.
func (l *loader) set(leaf leaf, field reflect.Value, env map[string]string) {
	name := leaf.env(l.prefix)
	_, fromEnv := env[name]
	raw := l.layers.Get(leaf.key)
	if inFile := lookup(l.tree, leaf.key); !fromEnv && raw != nil && inFile != nil {
		raw = inFile
	}
	if raw == nil {
		return
	}
	where := "file"
	if fromEnv {
		where = name
	}
	fresh := reflect.New(leaf.kind)
	if err := decode(raw, fresh.Interface(), fromEnv); err != nil {
		label := leaf.key
		if fromEnv {
			label += " (" + name + ")"
		}
		l.faults = append(l.faults, fmt.Errorf("%s: %w", label, reason(leaf.kind, err)))
		return
	}
	field.Set(fresh.Elem())
	l.origin[leaf.key] = where
}

// decode turns a value of YAML, or the text of a variable, into what is wanted.
func decode(raw, into any, text bool) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           into,
		ErrorUnused:      true,
		WeaklyTypedInput: text,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			exactNumbers,
			textToMap,
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.StringToSliceHookFunc(","),
			mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	if err != nil {
		return err
	}
	return d.Decode(raw)
}

// exactNumbers refuses what would be taken silently: a duration without its
// unit, and a whole number with a fraction.
func exactNumbers(from, to reflect.Type, data any) (any, error) {
	number := from.Kind() >= reflect.Int && from.Kind() <= reflect.Float64
	switch {
	case to == reflect.TypeFor[time.Duration]() && number:
		return nil, errors.New("a duration needs a unit")
	case from.Kind() == reflect.Float64 && to.Kind() >= reflect.Int && to.Kind() <= reflect.Uint64:
		return nil, errors.New("a whole number has no fraction")
	}
	return data, nil
}

// textToMap reads k=v,k=v.
func textToMap(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Map {
		return data, nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(data.(string), ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok && pair != "" {
			return nil, fmt.Errorf("%q must be key=value,key=value", data)
		}
		if ok {
			out[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return out, nil
}

// lookup returns what the file says of a key.
func lookup(tree map[string]any, key string) any {
	head, rest, nested := strings.Cut(key, ".")
	value := tree[head]
	if !nested {
		return value
	}
	inner, _ := value.(map[string]any)
	return lookup(inner, rest)
}

func validate[C any](prog Program[C], c C) error {
	if prog.Validate != nil {
		return prog.Validate(c)
	}
	type validator interface{ Validate() error }
	if v, ok := any(c).(validator); ok {
		return v.Validate()
	}
	if v, ok := any(&c).(validator); ok {
		return v.Validate()
	}
	return nil
}

// unknownKeys collects the keys of the file that mean nothing.
func (l *loader) unknownKeys(path []string, tree map[string]any) {
	for _, name := range sortedKeys(tree) {
		here := append(slices.Clone(path), name)
		key := strings.Join(here, ".")
		inner, nested := tree[name].(map[string]any)
		switch {
		case slices.ContainsFunc(l.leaves, func(f leaf) bool { return f.key == key }):
		case !slices.ContainsFunc(l.leaves, func(f leaf) bool { return strings.HasPrefix(f.key, key+".") }):
			l.faults = append(l.faults, fmt.Errorf("%s: unknown key%s", key, l.nearest(key)))
		case nested:
			l.unknownKeys(here, inner)
		case tree[name] != nil:
			l.faults = append(l.faults, fmt.Errorf("%s: must hold keys of its own, such as %s", key, l.nearestBelow(key)))
		}
	}
}
