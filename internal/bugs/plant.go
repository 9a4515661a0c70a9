//go:build planted

package bugs

import (
	"os"
	"time"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// variable names the one bug that is planted in a test binary.
const variable = "CCS_PLANTED_BUG"

// Plant plants the bug that the environment names, if it names one. Every
// TestMain calls it, before it runs anything.
func Plant() { planted.Name = os.Getenv(variable) }

// Patience is how long a test waits for what should come soon. Under a planted
// bug much never comes; without one the same wait has to do.
func Patience(time.Duration) time.Duration { return 5 * time.Second }

// BuildFlags are the flags of go build that plant the same bug in a program
// which a test builds.
func BuildFlags() []string {
	flags := "-s -w"
	if planted.Name != "" {
		flags += " -X 'github.com/ccs-project/ccs/pkg/run/planted.Name=" + planted.Name + "'"
	}
	return []string{"-tags=planted", "-ldflags=" + flags}
}
