//go:build !planted

package bugs

import "time"

// Plant plants the bug that the environment names: in this build it plants none.
func Plant() {}

// Patience is how long a test waits for what should come soon: as long as it
// wants to.
func Patience(usual time.Duration) time.Duration { return usual }

// BuildFlags are the flags of go build that plant the same bug in a program
// which a test builds: none.
func BuildFlags() []string { return nil }
