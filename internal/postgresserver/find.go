package postgresserver

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled says that there are no binaries of a server on this machine.
var ErrNotInstalled = errors.New("PostgreSQL is not installed here (looked for /usr/lib/postgresql/*/bin/postgres); install Debian's package postgresql")

// Find returns the directory with initdb and postgres, of the newest version
// that Debian's packages have put here, or ErrNotInstalled.
func Find() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, dir := range dirs {
		if isFile(filepath.Join(dir, "postgres")) && isFile(filepath.Join(dir, "initdb")) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

// version is the number in /usr/lib/postgresql/15/bin; 0 if there is none.
func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
