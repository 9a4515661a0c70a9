package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// asMain makes the test binary ccs-scheduler.
const asMain = "CCS_SCHEDULER_TEST_AS_MAIN"

// shared is the PostgreSQL of all tests.
var shared postgresserver.Fixture

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		_ = os.Unsetenv(asMain) // a key that no configuration has
		main()
	}
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
