package obs

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// LogConfig says how much a process tells.
type LogConfig struct {
	// Level is debug, info, warn or error; default info.
	Level string `mapstructure:"level"`
}

// Validate returns every fault of c.
func (c LogConfig) Validate() error {
	if _, err := c.level(); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	return nil
}

func (c LogConfig) level() (slog.Level, error) {
	switch c.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return slog.LevelInfo, fmt.Errorf("%q must be debug, info, warn or error", c.Level)
}

// NewLog returns a logger that writes one JSON object a line to w, with trace_id
// and span_id where the context has a sampled span. A faulty level means info.
// Values whose key names a secret are masked.
func NewLog(w io.Writer, c LogConfig) *slog.Logger {
	level, _ := c.level()
	return slog.New(traced{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact})})
}

// written is how a value writes itself: an id as users know it, and not as the
// bytes that it is made of.
func written(v slog.Value) slog.Value {
	switch any := v.Any().(type) {
	case error, encoding.TextMarshaler, json.Marshaler:
	case fmt.Stringer:
		return slog.StringValue(any.String())
	}
	return v
}

func redact(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Value.Kind() == slog.KindGroup:
	case IsSecretKey(a.Key):
		a.Value = slog.StringValue(Masked)
	case a.Value.Kind() == slog.KindAny:
		a.Value = written(a.Value)
	case a.Value.Kind() == slog.KindString && strings.Contains(a.Value.String(), "://"):
		a.Value = slog.StringValue(RedactURL(a.Value.String()))
	}
	return a
}
