package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestAJanitorDoesNotHoldUpThoseWhoCommit(t *testing.T) {
	storetest.RunBeside(t, open(t, filepath.Join(t.TempDir(), "ccs.db")))
}
