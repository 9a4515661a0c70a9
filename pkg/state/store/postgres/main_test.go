package postgres

import (
	"fmt"
	"os"
	"testing"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// shared is the server of all tests that do nothing to it.
var shared postgresserver.Fixture

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
