package setup

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// printConfig writes the configuration in force as YAML, in the order of the
// fields, with the origin of what is no default and without secrets.
func printConfig[C any](w io.Writer, cfg full[C], origin origins) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	value := reflect.ValueOf(cfg)
	for _, leaf := range leaves(value.Type()) {
		node := &yaml.Node{}
		if err := node.Encode(shown(leaf, value.FieldByIndex(leaf.index))); err != nil {
			return fmt.Errorf("cannot print %s: %w", leaf.key, err)
		}
		name := place(root, strings.Split(leaf.key, "."), node)
		if where := origin[leaf.key]; where != "" && node.Kind == yaml.ScalarNode {
			node.LineComment = where
		} else if where != "" {
			name.HeadComment = leaf.key + ": " + where
		}
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("cannot print the configuration: %w", err)
	}
	return enc.Close()
}

// place puts a value at its path and returns the node of its name.
func place(in *yaml.Node, path []string, value *yaml.Node) *yaml.Node {
	if len(path) > 1 {
		for i := 0; i < len(in.Content); i += 2 {
			if in.Content[i].Value == path[0] {
				return place(in.Content[i+1], path[1:], value)
			}
		}
		section := &yaml.Node{Kind: yaml.MappingNode}
		in.Content = append(in.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, section)
		return place(section, path[1:], value)
	}
	name := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}
	in.Content = append(in.Content, name, value)
	return name
}

// shown returns a value as a person may see it.
func shown(l leaf, v reflect.Value) any {
	if obs.IsSecretKey(l.key) && !v.IsZero() {
		return obs.Masked
	}
	return mask(v)
}

// mask walks through a value and masks what is secret in it.
func mask(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	case string:
		return obs.RedactURL(x)
	}
	switch v.Kind() { //nolint:exhaustive // all others are scalars
	case reflect.Slice, reflect.Array:
		out := []any{}
		for i := range v.Len() {
			out = append(out, mask(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := map[string]any{}
		for _, key := range v.MapKeys() {
			out[fmt.Sprint(key)] = masked(fmt.Sprint(key), v.MapIndex(key))
		}
		return out
	case reflect.Struct:
		return fields(v)
	case reflect.String:
		return obs.RedactURL(v.String())
	}
	return v.Interface()
}

func masked(key string, v reflect.Value) any {
	if obs.IsSecretKey(key) && !v.IsZero() {
		return obs.Masked
	}
	return mask(v)
}

// fields returns a struct as a map by the names of its keys.
func fields(v reflect.Value) any {
	var raw map[string]any
	if err := mapstructure.Decode(v.Interface(), &raw); err != nil {
		return err.Error()
	}
	out := map[string]any{}
	for key, value := range raw {
		if value != nil {
			out[key] = masked(key, reflect.ValueOf(value))
		}
	}
	return out
}
