package archtest

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// surfaceRules guard what others see: the SDK, the wire, the published text.
func surfaceRules() []Rule {
	return []Rule{
		{
			Name:  "sdk-is-closed",
			Why:   "pkg/client is the one package that we promise to keep; another package's type in its signatures would be promised too.",
			Do:    "declare a type of the SDK's own and convert inside.",
			Check: sdkIsClosed,
		},
		{
			Name:  "protos-are-generated",
			Why:   "generated code is committed so that a clone builds with Go alone; a proto without it, or it without a proto, is a lie.",
			Do:    "run make gen and commit the result.",
			Check: protosAreGenerated,
		},
		{
			Name:  "no-private-places",
			Why:   "a path of somebody's machine or a registry's address works for one person, and is published for all.",
			Do:    "use a relative path, t.TempDir() or a setting; keep registry hosts in the user's own configuration.",
			Check: noPrivatePlaces,
		},
	}
}

// protosAreGenerated compares by names; make check compares the content.
func protosAreGenerated(m *Module) []Violation {
	var found []Violation
	wanted := map[string]string{}
	for _, p := range m.Paths {
		name, ok := strings.CutSuffix(p, ".proto")
		if rel, in := strings.CutPrefix(name, "api/proto/"); ok && in {
			wanted["api/gen/"+rel+".pb.go"] = p
			if definesService(filepath.Join(m.Root, filepath.FromSlash(p))) {
				wanted["api/gen/"+rel+"_grpc.pb.go"] = p
			}
		}
	}
	for gen, proto := range wanted {
		if !slices.Contains(m.Paths, gen) {
			found = append(found, Violation{proto, 0, "was not generated: there is no " + gen})
		}
	}
	for _, p := range m.Paths {
		if under(p, "api/gen") && wanted[p] == "" {
			found = append(found, Violation{p, 0, "has no proto that it comes from"})
		}
	}
	return found
}

var serviceLine = regexp.MustCompile(`(?m)^service\s`)

func definesService(proto string) bool {
	src, err := os.ReadFile(proto)
	return err == nil && serviceLine.Match(src)
}

var (
	// homes are the places where people and build machines keep checkouts.
	homes = regexp.MustCompile(`(?:^|[^\w./~-])(/(?:home|Users)/[\w.-]+/[\w./-]*|/(?:root|work|workspace|builds)/[\w./-]+|[A-Z]:\\Users\\)`)
	// registries are addresses of package registries and of mirrors of them.
	registries = regexp.MustCompile(`https?://(?:[\w-]+\.)*(?:registry|npm|npmjs|goproxy|proxy|mirrors?|artifactory|nexus)\.[\w.-]+`)
)

// plantedDir holds violations on purpose.
const plantedDir = "internal/archtest/testdata/violations"

func noPrivatePlaces(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Paths {
		if under(p, plantedDir) || path.Ext(p) == ".sum" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Root, filepath.FromSlash(p)))
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			continue // binary, or gone since it was listed
		}
		line := 0
		for l := range bytes.Lines(text) {
			line++
			if what := m.privatePlace(string(l)); what != "" {
				found = append(found, Violation{p, line, what})
			}
		}
	}
	return found
}

func (m *Module) privatePlace(line string) string {
	if hit := homes.FindStringSubmatch(line); hit != nil {
		return fmt.Sprintf("names a place on somebody's machine: %s", hit[1])
	}
	if hit := registries.FindString(line); hit != "" {
		return fmt.Sprintf("names a package registry: %s", hit)
	}
	if strings.Contains(line, m.Root+"/") {
		return "names this checkout's own directory"
	}
	return ""
}
