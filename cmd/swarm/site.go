package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// site is what a host and a user have to know of a cluster, as devcluster
// leaves it in its directory.
type site struct {
	client   client.Config
	issuer   string
	ca       string // file
	operator ed25519.PublicKey
	rooms    []room
}

// room is where hosts go.
type room struct {
	name        string
	aggregators []string // session addresses
	token       string   // join token for any host of the room
}

// readSite reads the directory of a devcluster; config is another file of
// ccsctl, or empty.
func readSite(dir, config string) (*site, error) {
	if config == "" {
		config = filepath.Join(dir, "etc", "ccsctl.yaml")
	}
	s := &site{ca: filepath.Join(dir, "pki", "ca.crt")}
	var issuer struct {
		Listen string `yaml:"listen"`
	}
	operator, operatorErr := os.ReadFile(filepath.Join(dir, "pki", "operator.pub"))
	err := errors.Join(
		s.readClient(config), readYAML(filepath.Join(dir, "etc", "issuer.yaml"), &issuer), operatorErr, s.readRooms(dir))
	if err != nil {
		return nil, fmt.Errorf("%s is not the directory of a devcluster that is up: %w", dir, err)
	}
	s.issuer = issuer.Listen
	if s.operator, err = identity.DecodePublicKey(operator); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *site) readClient(config string) error {
	var c struct {
		Addresses []string `yaml:"addresses"`
		TLS       struct {
			Cert string `yaml:"cert"`
			Key  string `yaml:"key"`
			CA   string `yaml:"ca"`
		} `yaml:"tls"`
		SigningKey string `yaml:"signing_key"`
	}
	err := readYAML(config, &c)
	s.client = client.Config{
		Addresses: c.Addresses, CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, CAFile: c.TLS.CA, SigningKey: c.SigningKey,
	}
	return err
}

func (s *site) readRooms(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "etc", "aggregator-*.yaml"))
	if err == nil && len(files) == 0 {
		err = errors.New("it has no aggregators")
	}
	found := map[string]*room{}
	for _, file := range files {
		var a struct {
			Room          string `yaml:"room"`
			SessionListen string `yaml:"session_listen"`
		}
		err = errors.Join(err, readYAML(file, &a))
		if found[a.Room] == nil {
			found[a.Room] = &room{name: a.Room}
		}
		found[a.Room].aggregators = append(found[a.Room].aggregators, a.SessionListen)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		token, readErr := os.ReadFile(filepath.Join(dir, "pki", "join-"+name+".token"))
		err = errors.Join(err, readErr)
		found[name].token = strings.TrimSpace(string(token))
		s.rooms = append(s.rooms, *found[name])
	}
	return err
}

func readYAML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return nil
}
