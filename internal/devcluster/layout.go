package devcluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// layout says where everything is below the cluster's directory.
type layout struct{ root string }

func (l layout) config(name string) string { return filepath.Join(l.root, "etc", name+".yaml") }
func (l layout) log(name string) string    { return filepath.Join(l.root, "log", name+".log") }
func (l layout) ready(name string) string  { return filepath.Join(l.root, "run", name+".ready") }
func (l layout) state(name string) string  { return filepath.Join(l.root, "state", name) }
func (l layout) cert(name string) string   { return filepath.Join(l.root, "pki", name+".crt") }
func (l layout) key(name string) string    { return filepath.Join(l.root, "pki", name+".key") }
func (l layout) pki(file string) string    { return filepath.Join(l.root, "pki", file) }

// socket is the executor's socket of a host; short, because sun_path is.
func (l layout) socket(host string) string { return filepath.Join(l.root, "run", host+".sock") }

// store is the SQLite file that all schedulers share.
func (l layout) store() string { return filepath.Join(l.root, "store", "ccs.db") }

func (l layout) make() error {
	for _, dir := range []string{"etc", "log", "run", "state", "pki", "store"} {
		if err := os.Mkdir(filepath.Join(l.root, dir), 0o700); err != nil {
			return fmt.Errorf("cannot make the cluster's directories: %w", err)
		}
	}
	return nil
}
