package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A set of three files cannot be replaced in one step. So the new set is first
// written whole into one file beside the key, which is a change that happens or
// does not; then the three are replaced, and the one is removed. As long as it
// is there the change can be finished, and where the three do not fit each other
// it is what counts. Where they do fit it does not: somebody may have replaced
// them by hand since.

// pendingFile is the path of the one file.
func (f Files) pendingFile() string { return f.Key + ".next" }

func (c Credential) savePending(f Files) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", f.pendingFile(), err)
	}
	return writeFile(f.pendingFile(), text, 0o600)
}

// pending is the set of a change that was begun; false if there is none.
func (f Files) pending() (c Credential, ok bool) {
	text, err := os.ReadFile(f.pendingFile())
	return c, err == nil && json.Unmarshal(text, &c) == nil
}

func (f Files) dropPending() error {
	if err := os.Remove(f.pendingFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot finish the change of the identity: %w", err)
	}
	return syncDir(filepath.Dir(f.pendingFile()))
}

// finish ends a change that was cut off, for whoever reads one of the three by
// itself. A Source does not need it: it loads the right set in any case.
func (f Files) finish() error {
	c, begun := f.pending()
	if !begun {
		return nil
	}
	if _, err := f.loadSet(); err == nil {
		return f.dropPending()
	}
	if _, err := f.understand(c); err == nil {
		return c.Save(f)
	}
	return nil // it is of no use, and loading says what is wrong with the three
}
