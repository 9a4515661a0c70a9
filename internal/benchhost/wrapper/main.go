// Command wrapper is the smallest Go program that starts /bin/true, waits for it
// and says how it ended. With a directory as its argument it makes the two
// records of an end-process there, as durable as that one's. It decides nothing,
// drains nothing and enforces nothing: it is the floor of bench-host.
package main

import (
	"os"
	"syscall"
)

// recordSize is that of an attempt record with a mark, and about that of an exit
// record.
const recordSize = 256

func main() {
	dir := ""
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if dir != "" && !create(dir, "attempt.1") {
		os.Exit(1)
	}
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		os.Exit(1)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		os.Exit(1)
	}
	if dir != "" && !create(dir, "exit.1") {
		os.Exit(1)
	}
}

// create makes a durable file: written under another name, synced, linked, and
// its directory synced.
func create(dir, name string) bool {
	temp := dir + "/.tmp"
	fd, err := syscall.Open(temp, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	_, err = syscall.Write(fd, make([]byte, recordSize))
	if err == nil {
		err = syscall.Fsync(fd)
	}
	_ = syscall.Close(fd)
	if err == nil {
		err = syscall.Link(temp, dir+"/"+name)
	}
	if err == nil {
		err = syscall.Unlink(temp)
	}
	return err == nil && syncDir(dir)
}

func syncDir(dir string) bool {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	err = syscall.Fsync(fd)
	_ = syscall.Close(fd)
	return err == nil
}
