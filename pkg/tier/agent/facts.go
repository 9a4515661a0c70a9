package agent

import (
	"maps"
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

// factsOf is what the executor says of the host: cgroup, and cgroup_limits if
// there are any. Never nil.
func factsOf(info Info) map[string]string {
	facts := map[string]string{}
	if info.Cgroup != "" {
		facts["cgroup"] = clean(info.Cgroup)
	}
	if len(info.CgroupLimits) > 0 {
		facts["cgroup_limits"] = clean(strings.Join(info.CgroupLimits, ","))
	}
	return facts
}

// learn takes the facts that the executor tells, before its snapshot without
// which no session begins. One that began while the executor was away has told
// others: it ends, and the next one tells these.
func (a *Agent) learn(facts map[string]string) {
	told := a.learnt
	a.learnt = facts
	if a.session != nil && !maps.Equal(told, facts) {
		a.session.stop(errFacts)
	}
}

// facts is what the host says of itself now.
func (a *Agent) facts() map[string]string {
	all := maps.Clone(a.deps.Facts)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, a.learnt)
	return all
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
