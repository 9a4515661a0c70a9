package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Path returns the directory of a command, there or not.
func (r *Root) Path(id string) string { return filepath.Join(r.commands.path, id) }

// Command opens a command's directory; ErrMissing.
func (r *Root) Command(id string) (*Command, error) { return OpenCommand(r.Path(id)) }

// Accept makes a command durable: script and stdin first, the spec last. The
// caller makes sure that no other call names the same id. On an error there is
// no command, unless Remains says that its directory could not be deleted.
func (r *Root) Accept(spec Spec, script, stdin []byte) (err error) {
	data := spec.encode()
	err = verify(data, maxSpec, func(data []byte) ([]byte, error) {
		back, err := decodeSpec(data)
		return back.encode(), err
	})
	if err != nil {
		return err
	}
	err = unix.Mkdirat(r.commands.fd, spec.ID, 0o700)
	if errors.Is(err, unix.EEXIST) && r.unborn(spec.ID) { // of a failure before
		_ = os.RemoveAll(r.Path(spec.ID))
		err = unix.Mkdirat(r.commands.fd, spec.ID, 0o700)
	}
	if err != nil {
		return r.commands.fault("mkdir", spec.ID, err)
	}
	defer func() {
		if err != nil {
			_ = r.Remove(spec.ID) // Remains says so if it fails
		}
	}()
	c, err := r.Command(spec.ID)
	if err != nil {
		return err
	}
	defer c.Close()
	if spec.Run.Script.Present {
		err = c.attach(scriptFile, script)
	}
	if err == nil && spec.Run.Stdin.Present {
		err = c.attach(stdinFile, stdin)
	}
	// Every name is durable before the spec is: a spec without a directory, or
	// without its script, cannot be; a directory without a spec is swept.
	if err == nil && (spec.Run.Script.Present || spec.Run.Stdin.Present) {
		err = c.dir.sync()
	}
	if err == nil {
		err = r.commands.sync()
	}
	if err == nil {
		err = c.dir.replace(specFile, data)
	}
	return err
}

// Remains reports whether the command has a directory.
func (r *Root) Remains(id string) bool { return r.commands.has(id) }

// Clear deletes the directory of a command whose acceptance failed, if it was
// left. It is no error that there is none.
func (r *Root) Clear(id string) error {
	if !r.Remains(id) {
		return nil
	}
	return r.Remove(id)
}

// attach writes a file beside the spec. Everybody may read it who gets an open
// file of it: accounts that a script runs as. Nobody else reaches it, since the
// directory is closed.
func (c *Command) attach(name string, data []byte) error {
	temp, err := c.dir.temp(data, 0o444, true)
	if err != nil {
		return err
	}
	if err := unix.Renameat(c.dir.fd, temp, c.dir.fd, name); err != nil {
		return c.dir.fault("rename", name, err)
	}
	return nil
}

// Remove deletes a command's directory. Its tombstone must be durable.
func (r *Root) Remove(id string) error {
	// The spec goes first: what is left of an interrupted removal is swept.
	err := unix.Unlinkat(r.commands.fd, filepath.Join(id, specFile), 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return r.commands.fault("unlink", id, err)
	}
	if err := os.RemoveAll(r.Path(id)); err != nil {
		return err
	}
	return r.commands.sync()
}

// Found is what a scan sees of one command.
type Found struct {
	ID      string
	Spec    Spec // what could be read if Damaged, only the id if Unread
	Latest  uint32
	Damaged bool  // the spec is damaged and was set aside
	Unread  error // why the spec cannot be read now; that may pass
}

// Scan reads all commands. Directories that were never accepted, and what is
// left of removed ones, are deleted; what cannot be understood is moved to
// damaged/ and named, with the reason, which is beside it too. Trouble with one
// holds up no other.
func (r *Root) Scan(now time.Time) (found []Found, aside []string, err error) {
	entries, err := os.ReadDir(r.commands.path)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		f, keep := r.look(entry)
		if keep {
			found = append(found, f)
			continue
		}
		if why, err := r.sweep(entry, now); err != nil {
			aside = append(aside, entry.Name()+": "+err.Error())
		} else if why != "" {
			aside = append(aside, entry.Name()+": "+why)
		}
	}
	return found, aside, nil
}

// look reads one directory; keep says that it is a command.
func (r *Root) look(entry os.DirEntry) (f Found, keep bool) {
	f.ID = entry.Name()
	f.Spec.ID, f.Latest = f.ID, 1
	if !entry.IsDir() || CheckID(f.ID) != nil {
		return f, false
	}
	c, err := r.Command(f.ID)
	if err != nil {
		f.Unread = err
		return f, true
	}
	defer c.Close()
	f.Latest = c.Latest()
	f.Spec, err = c.Spec()
	switch {
	case errors.Is(err, ErrDamaged):
		f.Damaged, f.Unread = true, c.setDamagedSpecAside()
	case errors.Is(err, ErrMissing) && c.dir.has(damagedOne):
		f.Damaged = true
		f.Spec, _ = c.readSpec(damagedOne) // what can be read of it
		f.Spec.Run = Run{}
	case errors.Is(err, ErrMissing) && (r.removed(f.ID) || r.unborn(f.ID)):
		return f, false
	case errors.Is(err, ErrMissing):
		// Its records say what became of it. Without them it would be a command that
		// nobody knows, and would be run again.
		f.Damaged = true
		_ = c.dir.replace(damagedOne, nil) // for whoever lists it
	case err != nil:
		f.Unread = err
	}
	return f, true
}

// sweep deletes what was never a command, or was removed under a tombstone, and
// sets anything else aside; why says so then.
func (r *Root) sweep(entry os.DirEntry, now time.Time) (why string, err error) {
	name := entry.Name()
	if r.removed(name) || r.unborn(name) {
		return "", os.RemoveAll(r.Path(name))
	}
	why = "its name is not the id of a command"
	if !entry.IsDir() {
		why = "it is not a directory, and commands are"
	}
	to := filepath.Join(r.top.path, damagedDir, name+"."+strconv.FormatInt(now.UnixNano(), 10))
	if err := os.Rename(r.Path(name), to); err != nil {
		return "", err
	}
	_ = os.WriteFile(to+".why", []byte(why+"\n"), 0o600) // for a person; the log has it too
	return why, nil
}

func (r *Root) removed(name string) bool { return r.tombs.has(name) }

// unborn reports whether the directory holds only what comes before a spec.
func (r *Root) unborn(name string) bool {
	entries, err := os.ReadDir(r.Path(name))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() != scriptFile && e.Name() != stdinFile && !strings.HasPrefix(e.Name(), ".tmp.") {
			return false
		}
	}
	return true
}
