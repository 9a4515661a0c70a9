package spool

import (
	"os"
	"testing"

	"github.com/ccs-project/ccs/internal/bugs"
)

func TestMain(m *testing.M) {
	bugs.Plant()
	os.Exit(m.Run())
}
