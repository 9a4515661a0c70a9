package setup

import (
	"encoding"
	"reflect"
	"strings"
)

// full is the whole configuration of a program.
type full[C any] struct {
	App    C      `mapstructure:",squash"`
	Common Common `mapstructure:",squash"`
}

// leaf is one key of a configuration.
type leaf struct {
	key   string // such as tls.cert
	index []int  // of the field, for reflect.Value.FieldByIndex
	kind  reflect.Type
}

// env returns the name of the variable that sets the key.
func (l leaf) env(prefix string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(l.key, ".", "_"))
}

// leaves returns the keys of a configuration struct in the order of its fields.
func leaves(t reflect.Type) []leaf {
	var out []leaf
	for i := range t.NumField() {
		field := t.Field(i)
		name, squash := tag(field)
		if !field.IsExported() || name == "-" {
			continue
		}
		if !isSection(field.Type) {
			out = append(out, leaf{key: name, index: []int{i}, kind: field.Type})
			continue
		}
		for _, inner := range leaves(field.Type) {
			if !squash {
				inner.key = name + "." + inner.key
			}
			inner.index = append([]int{i}, inner.index...)
			out = append(out, inner)
		}
	}
	return out
}

func tag(field reflect.StructField) (name string, squash bool) {
	name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
	if name == "" {
		name = strings.ToLower(field.Name)
	}
	return name, strings.Contains(options, "squash")
}

// isSection reports whether t holds keys, and is no value itself.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
