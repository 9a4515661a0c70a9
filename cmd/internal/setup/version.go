package setup

import (
	"runtime/debug"
	"strings"
)

// version is set by the build: -ldflags "-X …/cmd/internal/setup.version=v1.2.3".
var version string

// Version returns the version of the binary: that of the build, or else the
// commit that Go has noted, or "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	v := strings.Trim(info.Main.Version, "()")
	if commit := settings["vcs.revision"]; v == "" || v == "devel" {
		v = "devel"
		if len(commit) >= 12 {
			v += "-" + commit[:12]
		}
		if settings["vcs.modified"] == "true" {
			v += "+dirty"
		}
	}
	return v
}
