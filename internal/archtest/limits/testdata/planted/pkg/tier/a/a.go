// Package a is one with limits.
package a

const (
	maxThings = 4 << 10
	mostPace  = 2
	other     = 3
)

// Config has a number.
type Config struct {
	Queue int64  `mapstructure:"queue_size"`
	Pace  int    `mapstructure:"pace"`
	Name  string `mapstructure:"name"`
}
