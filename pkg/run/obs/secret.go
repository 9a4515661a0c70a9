package obs

import "log/slog"

// Masked is what is shown instead of a secret.
const Masked = "***"

// Secret is a text that is never shown: formatting, logging and encoding it
// give Masked. Use it for tokens and passwords in a configuration.
type Secret string

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns Masked, or nothing if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Masked
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
