package postgres

import (
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestAJanitorDoesNotHoldUpThoseWhoCommit(t *testing.T) {
	storetest.RunBeside(t, openAt(t, shared.DSN(t)))
}
