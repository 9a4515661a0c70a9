package main

import (
	"errors"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
)

const configText = `Print each value of the configuration in force, and where it is from: a flag,
else the environment, else the file, else the default.

Each key is in the file as it is named here (tls.cert is cert below tls), in the
environment with CCSCTL_ before it in capitals and _ for the dot, and a flag:

  file: tls: {cert: me.crt}    CCSCTL_TLS_CERT=me.crt    --tls-cert me.crt

Lists are separated by commas. Without any file the environment alone is enough.`

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force, and where each value is from",
		Long:  configText,
		Example: `  ccsctl config
  CCSCTL_OUTPUT=wide ccsctl config --utc
  ccsctl config -o json | jq .settings`,
		Args:              none,
		ValidArgsFunction: nothing,
		RunE: func(*cobra.Command, []string) error {
			f, err := a.loadConfig()
			a.settle(f.config)
			if checkFormat(a.output) != nil {
				a.output = formatPlain
			}
			return errors.Join(a.showConfig(f), err)
		},
	}
}

// settingDocument is one value in force.
type settingDocument struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
	From  string `json:"from"` // default, file, the name of a variable or a flag
}

func (a *app) showConfig(f inForce) error {
	doc := struct {
		File      string            `json:"file"`
		FileFound bool              `json:"file_found"`
		Settings  []settingDocument `json:"settings"`
	}{File: f.file, FileFound: f.found}
	var rows [][]string
	for _, s := range settings() {
		d := settingDocument{Key: s.key, Value: reflect.ValueOf(s.of(&f.config)).Elem().Interface(), From: f.from[s.key]}
		if d.From == "" {
			d.From = "default"
		}
		if list, ok := d.Value.([]string); ok {
			d.Value = append([]string{}, list...)
		}
		doc.Settings = append(doc.Settings, d)
		rows = append(rows, []string{s.key, d.From, settingText(d.Value)})
	}
	if a.isDocument() {
		return a.encode(doc)
	}
	switch {
	case f.file == "":
		a.say("File: none (%s)\n", noHome)
	case !f.found:
		a.say("File: %s (there is none)\n", f.file)
	default:
		a.say("File: %s\n", f.file)
	}
	return a.table([]string{"KEY", "FROM", "VALUE"}, rows)
}

// settingText is a value in a cell.
func settingText(value any) string {
	if list, ok := value.([]string); ok {
		value = strings.Join(list, ",")
	}
	if text := oneLine(sprint(value)); text != "" {
		return text
	}
	return "-"
}
