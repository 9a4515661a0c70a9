package identity

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Book is the issuer's book of join tokens. It has two files: the grants, a JSON
// list that an operator writes and that is read again when it changes, and the
// uses of limited tokens, lines "token-hash use-hash" that the book appends and
// syncs before it allows anything. It is safe for concurrent use.
type Book struct {
	grantsFile string
	log        *slog.Logger

	mu     sync.Mutex // guards all below
	grants []Grant
	state  fileState
	uses   *os.File
	size   int64                      // of whole lines in uses
	used   map[string]map[string]bool // token hash to the uses made of it
}

// OpenBook opens the book; it makes the file of uses if there is none. The
// grants must be good now; later a faulty file is reported to the log, and the
// last good one stays in force. A file that is gone grants nothing: who deletes
// it means that.
func OpenBook(grantsFile, usesFile string, log *slog.Logger) (*Book, error) {
	b := &Book{grantsFile: grantsFile, log: log, state: stateOf(grantsFile), used: map[string]map[string]bool{}}
	var err error
	if b.grants, err = loadGrants(grantsFile); err != nil {
		return nil, fmt.Errorf("cannot open book of join tokens: %w", err)
	}
	if err := b.loadUses(usesFile); err != nil {
		return nil, fmt.Errorf("cannot open book of join tokens: %w", err)
	}
	return b, nil
}

// Close closes the file of uses.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.uses.Close()
}

// Redeem returns the grant of a token for this enrolment. When it returns, a use
// of a limited token is on disk. The same name with the same key again is the
// same use, so that a lost answer costs nothing; the same name with another key
// is another use. The error wraps ErrBadToken if the token is at fault.
//
// A use is spent here, before the certificate is signed, and is not given back
// if the enrolment fails afterwards: given back too early it could be had twice.
// Whoever failed asks again with the same name and key, which costs nothing;
// who has lost that key needs another use. So callers check all that they can
// (the request's signature, the name) before they redeem.
func (b *Book) Redeem(token string, kind Role, name string, key ed25519.PublicKey, now time.Time) (Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	g, ok := find(b.grants, token)
	if !ok {
		return Grant{}, fmt.Errorf("%w: it is not known here; ask an operator for another", ErrBadToken)
	}
	if err := g.allows(kind, name, now); err != nil {
		return Grant{}, err
	}
	if g.Uses == 0 {
		return g, nil
	}
	use := useHash(kind, name, key)
	if b.used[g.TokenSHA256][use] {
		return g, nil
	}
	if len(b.used[g.TokenSHA256]) >= g.Uses {
		return Grant{}, fmt.Errorf("%w: all of its %d uses are made; ask an operator for another", ErrBadToken, g.Uses)
	}
	if err := b.record(g.TokenSHA256, use); err != nil {
		return Grant{}, fmt.Errorf("cannot record the use of a join token: %w", err)
	}
	return g, nil
}

func useHash(kind Role, name string, key ed25519.PublicKey) string {
	sum := sha256.Sum256(append([]byte(string(kind)+"/"+name+"/"), key...))
	return hex.EncodeToString(sum[:])
}

// record puts a use on disk. After a failed write the file is cut back, so that
// the next line does not follow half of this one.
func (b *Book) record(token, use string) error {
	line := token + " " + use + "\n"
	if _, err := b.uses.WriteString(line); err != nil {
		return errors.Join(err, b.uses.Truncate(b.size))
	}
	b.size += int64(len(line))
	if err := b.uses.Sync(); err != nil {
		return err
	}
	b.note(token, use)
	return nil
}

func (b *Book) note(token, use string) {
	if b.used[token] == nil {
		b.used[token] = map[string]bool{}
	}
	b.used[token][use] = true
}

// refresh reads the grants again if their file changed.
func (b *Book) refresh() {
	state := stateOf(b.grantsFile)
	if state == b.state {
		return
	}
	b.state = state
	grants, err := loadGrants(b.grantsFile)
	if errors.Is(err, fs.ErrNotExist) {
		b.log.Warn("the file of join tokens is gone; no token is good until it is back", "file", b.grantsFile)
		b.grants = nil
		return
	}
	if err != nil {
		b.log.Error("join tokens changed but cannot be used; the old ones stay in force", "error", err)
		return
	}
	b.log.Info("join tokens reloaded", "count", len(grants))
	b.grants = grants
}

// loadUses reads the file of uses and opens it for appending. A last line that a
// crash cut off was never answered, and is cut.
func (b *Book) loadUses(file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.size = int64(bytes.LastIndexByte(text, '\n') + 1)
	for lines := bufio.NewScanner(bytes.NewReader(text[:b.size])); lines.Scan(); {
		token, use, ok := strings.Cut(lines.Text(), " ")
		if !ok {
			return fmt.Errorf("%s has a line that is no use of a token: %.100q", file, lines.Text())
		}
		b.note(token, use)
	}
	if b.uses, err = os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if err := errors.Join(b.uses.Truncate(b.size), b.uses.Sync(), syncDir(filepath.Dir(file))); err != nil {
		return errors.Join(err, b.uses.Close())
	}
	return nil
}

// SaveGrants writes the file of grants in one step. The error lists every fault.
func SaveGrants(file string, grants []Grant) error {
	if err := validateGrants(grants); err != nil {
		return err
	}
	text, err := json.MarshalIndent(grants, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	return writeFile(file, append(text, '\n'), 0o600)
}

func loadGrants(file string) ([]Grant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var grants []Grant
	if err := dec.Decode(&grants); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if dec.More() {
		return nil, fmt.Errorf("%s: something follows the list", file)
	}
	if err := validateGrants(grants); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return grants, nil
}

func validateGrants(grants []Grant) error {
	var faults []error
	seen := make(map[string]bool, len(grants))
	for i, g := range grants {
		if err := g.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("join token %d: %w", i, err))
		}
		if seen[g.TokenSHA256] {
			faults = append(faults, fmt.Errorf("join token %d: listed twice", i))
		}
		seen[g.TokenSHA256] = true
	}
	return errors.Join(faults...)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
