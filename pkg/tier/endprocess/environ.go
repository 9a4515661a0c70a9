package endprocess

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/spool"
)

// defaultPath is where programs are looked for if the command does not say.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is made new for each command: nothing of ours, which may be as
// old as the host, gets into it. What the command declares comes last and wins,
// but for the mark by which its processes are known.
func (p *endProcess) environment(who account) []string {
	env := []string{
		"PATH=" + defaultPath, "LANG=C.UTF-8",
		"HOME=" + who.home, "SHELL=" + who.shell, "USER=" + who.name, "LOGNAME=" + who.name,
		"CCS_COMMAND_ID=" + p.spec.ID, "CCS_ATTEMPT=" + strconv.FormatUint(uint64(p.attempt), 10),
	}
	env = append(env, p.spec.Run.Env...)
	env = append(env, spool.MarkName+"="+p.mark)
	return lastOfEach(env)
}

// lastOfEach keeps the last entry of each name.
func lastOfEach(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, entry := range env {
		name, _, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			continue
		}
		if i, seen := at[name]; seen {
			out[i] = entry
			continue
		}
		at[name] = len(out)
		out = append(out, entry)
	}
	return out
}

// searchPath is the PATH of the command.
func searchPath(declared []string) string {
	path := defaultPath
	for _, entry := range declared {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	return path
}

// lookPath finds a program as execvp(3) does. A name with a slash is taken as
// it is, relative to the working directory.
func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	found := error(unix.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		if !strings.HasPrefix(dir, "/") || name == "" {
			continue
		}
		full := strings.TrimSuffix(dir, "/") + "/" + name
		st, err := os.Stat(full)
		switch {
		case err != nil || st.IsDir():
		case st.Mode()&0o111 == 0:
			found = unix.EACCES
		default:
			return full, nil
		}
	}
	return "", found
}
