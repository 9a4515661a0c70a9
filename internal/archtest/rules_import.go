package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const (
	etcdModules  = "go.etcd.io/etcd"
	etcdServer   = "go.etcd.io/etcd/server/v3"
	etcdConfig   = "go.etcd.io/etcd/client/pkg/v3" // no client: what an embedded server's config is made of
	protoModule  = "google.golang.org/protobuf"
	sysModule    = "golang.org/x/sys"
	generatedDir = "api/gen"
)

// importRules are rules 2 to 6 of house.md section 2; rule 1 is the core's.
func importRules() []Rule {
	return []Rule{
		{
			Name:  "protobuf-at-the-edge",
			Why:   "a protobuf type inside ties the domain to one wire version, and its zero values pass for meaning.",
			Do:    "convert in pkg/wire and pass domain types on; only pkg/wire, pkg/tier and pkg/client see protobuf.",
			Check: protobufAtTheEdge,
		},
		{
			Name:  "tiers-are-strangers",
			Why:   "each tier is a process of its own; what one takes from another by import is not on any wire and breaks when they are deployed apart.",
			Do:    "move what both need into pkg/core or pkg/wire, or say it in a proto.",
			Check: tiersAreStrangers,
		},
		{
			Name:  "store-belongs-to-the-scheduler",
			Why:   "shard ownership is fenced in the scheduler's transactions; another writer of the store goes round the fence.",
			Do:    "ask a scheduler by RPC; in cmd only cmd/scheduler opens a store.",
			Check: storeBelongsToTheScheduler,
		},
		{
			Name:  "roomspool-belongs-to-the-aggregator",
			Why:   "the room spool is a cache on one aggregator's disk: who else reads or writes it takes a cache for the truth.",
			Do:    "ask the aggregator over the mesh or a session; in cmd only cmd/aggregator opens one.",
			Check: roomspoolBelongsToTheAggregator,
		},
		{
			Name:  "etcd-behind-coord",
			Why:   "everybody else must be testable without etcd, and must keep working when it is away.",
			Do:    "use pkg/state/coord; only coord/etcd imports the client, and devcluster may embed a server (internal/etcdserver).",
			Check: etcdBehindCoord,
		},
		{
			Name:  "hosts-reach-neither-store-nor-coord",
			Why:   "half a million hosts must not hold a way, or the code for one, to the store or to etcd.",
			Do:    "follow the chain of imports in the text and cut it; what hosts need comes with the session.",
			Check: hostsReachNeither,
		},
		{
			Name:  "endprocess-stays-tiny",
			Why:   "there is one end-process per command: each dependency costs every host start time and memory (2.5 ms, 3 MB RSS).",
			Do:    "use core/task, pkg/host, the standard library and x/sys; records are key=\"quoted value\" lines, not JSON.",
			Check: endprocessStaysTiny,
		},
		{
			Name:  "nothing-imports-cmd",
			Why:   "cmd is where flags, files and signals live; what imports it drags them along.",
			Do:    "move the code to pkg, or for what binaries share to cmd/internal/setup.",
			Check: nothingImportsCmd,
		},
		{
			Name:  "pkg-reads-no-environment",
			Why:   "a package that reads flags, files of configuration or the environment has inputs that no caller sees and no test sets.",
			Do:    "take a Config struct; only cmd reads flags, environment and config files.",
			Check: pkgReadsNoEnvironment,
		},
	}
}

func protobufAtTheEdge(m *Module) []Violation {
	return importViolations(m,
		func(f *File) bool { return f.ships() && !under(f.Dir, "pkg/wire", "pkg/tier", "pkg/client") },
		func(_ *File, i Import) string {
			if under(i.Path, protoModule) || under(i.local(), generatedDir) {
				return fmt.Sprintf("imports %s, a protobuf type outside wire, tier and client", i.Path)
			}
			return ""
		})
}

// tierOf is the tier that a directory belongs to, "" if none.
func tierOf(dir string) string {
	rest, ok := strings.CutPrefix(dir, "pkg/tier/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func tiersAreStrangers(m *Module) []Violation {
	return importViolations(m,
		func(f *File) bool { return tierOf(f.Dir) != "" },
		func(f *File, i Import) string {
			if other := tierOf(i.local()); other != "" && other != tierOf(f.Dir) {
				return fmt.Sprintf("tier %s imports tier %s", tierOf(f.Dir), other)
			}
			return ""
		})
}

func storeBelongsToTheScheduler(m *Module) []Violation {
	return importViolations(m,
		func(f *File) bool {
			return f.ships() && !under(f.Dir, "pkg/state/store", "pkg/tier/scheduler", "cmd/scheduler")
		},
		func(_ *File, i Import) string {
			if under(i.local(), "pkg/state/store") {
				return fmt.Sprintf("imports %s, which only the scheduler may", i.local())
			}
			return ""
		})
}

func roomspoolBelongsToTheAggregator(m *Module) []Violation {
	return importViolations(m,
		func(f *File) bool {
			return f.ships() && !under(f.Dir, "pkg/state/roomspool", "pkg/tier/aggregator", "cmd/aggregator")
		},
		func(_ *File, i Import) string {
			if under(i.local(), "pkg/state/roomspool") {
				return fmt.Sprintf("imports %s, which only the aggregator may", i.local())
			}
			return ""
		})
}

func etcdBehindCoord(m *Module) []Violation {
	return importViolations(m,
		func(f *File) bool { return f.ships() && !under(f.Dir, "pkg/state/coord/etcd") },
		func(f *File, i Import) string {
			embeds := under(f.Dir, "cmd/devcluster", "internal/devcluster", "internal/etcdserver") && under(i.Path, etcdServer, etcdConfig)
			if under(i.Path, etcdModules) && !embeds {
				return fmt.Sprintf("imports %s outside coord/etcd", i.Path)
			}
			return ""
		})
}

func endprocessStaysTiny(m *Module) []Violation {
	// Of planted nothing is left in a release (internal/bugs looks), and it is held to the same.
	small := []string{"pkg/host", "pkg/tier/endprocess", "cmd/endprocess", "pkg/run/planted"}
	heavy := []string{"encoding/json", "encoding/xml", "log", "net", "os/exec", "text/template", "html"}
	return importViolations(m,
		func(f *File) bool { return !f.Test && under(f.Dir, small...) },
		func(_ *File, i Import) string {
			switch {
			case i.std() && under(i.Path, heavy...):
				return fmt.Sprintf("imports %s, too heavy for one process per command", i.Path)
			case i.std(), under(i.Path, sysModule), i.local() == "pkg/core/task", under(i.local(), small...):
				return ""
			default:
				return fmt.Sprintf("imports %s, which is none of core/task, host, standard library, x/sys", i.Path)
			}
		})
}

func nothingImportsCmd(m *Module) []Violation {
	return importViolations(m,
		func(*File) bool { return true },
		func(f *File, i Import) string {
			shared := under(f.Dir, "cmd") && under(i.local(), "cmd/internal")
			if under(i.local(), "cmd") && !shared && i.local() != f.Dir {
				return fmt.Sprintf("imports %s", i.local())
			}
			return ""
		})
}

func pkgReadsNoEnvironment(m *Module) []Violation {
	readers := []string{"flag", "github.com/spf13/viper", "github.com/spf13/pflag", "github.com/spf13/cobra"}
	inPkg := func(f *File) bool { return !f.Test && under(f.Dir, "pkg") }
	found := importViolations(m, inPkg, func(_ *File, i Import) string {
		if slices.Contains(readers, i.Path) {
			return fmt.Sprintf("imports %s: only cmd reads configuration", i.Path)
		}
		return ""
	})
	for _, f := range m.Files {
		if !inPkg(f) {
			continue
		}
		env := slices.Concat(
			f.uses("os", "Args", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "UserHomeDir", "UserConfigDir"),
			f.uses("syscall", "Getenv", "Environ", "Setenv"),
		)
		for _, sel := range env {
			found = append(found, Violation{f.Path, f.line(sel), fmt.Sprintf("uses %s: only cmd reads the environment", sel.Sel.Name)})
		}
	}
	return found
}
