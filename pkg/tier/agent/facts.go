package agent

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HostFacts is what a host says of itself: os, kernel, arch, hostname, cpus,
// memory_mb and agent_version. What cannot be found out is left out.
func HostFacts(version string) map[string]string {
	facts := map[string]string{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": strconv.Itoa(runtime.NumCPU()), "agent_version": version,
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		facts["kernel"] = unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		facts["memory_mb"] = strconv.FormatUint(info.Totalram*uint64(info.Unit)>>20, 10)
	}
	if hostname, err := os.Hostname(); err == nil {
		facts["hostname"] = hostname
	}
	for key, value := range facts {
		facts[key] = clean(value)
	}
	return facts
}

// maxFact bounds a value, in bytes.
const maxFact = 128

// clean makes a value one line of text.
func clean(value string) string {
	value = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(value, ""))
	if len(value) > maxFact {
		value = strings.ToValidUTF8(value[:maxFact], "")
	}
	return value
}
