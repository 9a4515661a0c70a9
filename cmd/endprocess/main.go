// Command ccs-endprocess runs one attempt of one command. The executor starts
// it; a person never needs to.
package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/endprocess"
)

// version is set by the linker.
var version = "dev"

const usage = `usage: ccs-endprocess <command directory> <attempt>
Runs the attempt of the command that is specified in the directory, and records
the outcome there. The executor starts it, with a mark in the environment.
`

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		_, _ = os.Stdout.WriteString("ccs-endprocess " + version + "\n")
		return
	}
	if len(os.Args) == 2 && os.Args[1] == endprocess.StageArgument {
		endprocess.Stage()
		os.Exit(1)
	}
	mark := os.Getenv(spool.MarkName)
	if len(os.Args) != 3 || mark == "" {
		_, _ = os.Stderr.WriteString(usage)
		os.Exit(2)
	}
	attempt, err := strconv.ParseUint(os.Args[2], 10, 32)
	if err != nil {
		_, _ = os.Stderr.WriteString(usage)
		os.Exit(2)
	}
	os.Exit(endprocess.Run(os.Args[1], uint32(attempt), mark, place()))
}

// place is where the executor lets cgroups be made. One that cannot be read is
// none: what needs a cgroup is not started then, and says so.
func place() cgroup.Place {
	text := os.Getenv(spool.PlaceName)
	if text == "" {
		return cgroup.Place{}
	}
	p, err := cgroup.ParsePlace(strings.Split(text, "\n"))
	if err != nil {
		return cgroup.Place{}
	}
	return p
}
