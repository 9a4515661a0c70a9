package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/pkg/client"
)

// config is the configuration file.
type config struct {
	Addresses  []string `mapstructure:"addresses" yaml:"addresses"`
	TLS        files    `mapstructure:"tls" yaml:"tls"`
	SigningKey string   `mapstructure:"signing_key" yaml:"signing_key"`
	Output     string   `mapstructure:"output" yaml:"output"`
}

type files struct {
	Cert string `mapstructure:"cert" yaml:"cert"`
	Key  string `mapstructure:"key" yaml:"key"`
	CA   string `mapstructure:"ca" yaml:"ca"`
}

var configKeys = []string{"addresses", "output", "signing_key", "tls.ca", "tls.cert", "tls.key"}

// configFile is the file that is read.
func (a *app) configFile() string {
	if a.config != "" {
		return a.config
	}
	if path := a.getenv("CCSCTL_CONFIG"); path != "" {
		return path
	}
	return filepath.Join(a.getenv("HOME"), ".config", "ccs", "config.yaml")
}

// loadConfig reads the file. Paths in it are relative to it.
func (a *app) loadConfig() (config, error) {
	path := a.configFile()
	v := viper.New()
	v.SetConfigFile(path)
	v.SetConfigType("yaml")
	c := config{Output: formatPlain}
	if err := v.ReadInConfig(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return c, usagef("there is no configuration %s: write one (see ccsctl --help), or name another with --config or CCSCTL_CONFIG", path)
		}
		return c, usagef("cannot read the configuration %s: %v", path, err)
	}
	var faults []string
	for _, key := range v.AllKeys() {
		if !slices.Contains(configKeys, key) {
			faults = append(faults, fmt.Sprintf("%s: unknown key: there are %s", key, strings.Join(configKeys, ", ")))
		}
	}
	if err := v.Unmarshal(&c); err != nil {
		faults = append(faults, err.Error())
	}
	if err := c.client().Validate(); err != nil {
		faults = append(faults, strings.Split(err.Error(), "\n")...)
	}
	if err := checkFormat(c.Output); err != nil {
		faults = append(faults, "output: "+err.Error())
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return c, usagef("cannot use the configuration %s:\n%s", path, indent(strings.Join(faults, "\n")))
	}
	for _, p := range []*string{&c.TLS.Cert, &c.TLS.Key, &c.TLS.CA, &c.SigningKey} {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	return c, nil
}

func (c config) client() client.Config {
	return client.Config{Addresses: c.Addresses, CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, CAFile: c.TLS.CA, SigningKey: c.SigningKey}
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration in force",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			text, err := yaml.Marshal(c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "# %s\n%s", a.configFile(), text)
			return err
		},
	}
}
