package obs

import (
	"net/url"
	"slices"
	"strings"
)

// secretWords are words of a key that say that its value is secret.
var secretWords = []string{"password", "passwd", "secret", "token", "credential", "credentials", "authorization"}

// IsSecretKey reports whether a key such as `join_token` names a secret. That of
// a path to one, such as `join_token_file`, does not. It is the second line of
// defence: [Secret] is the first.
func IsSecretKey(key string) bool {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '.' || r == '-' })
	if n := len(words); n > 0 && words[n-1] == "file" {
		return false
	}
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords, w) })
}

// RedactURL masks the password of a URL, such as that of a database; any other
// text comes back as it is.
func RedactURL(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	if u, err := url.Parse(text); err == nil && u.User == nil {
		return text
	}
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 { // a password may hold what a URL may not: mask too much rather than too little
		if at = strings.LastIndexByte(rest, '@'); at < 0 {
			return text
		}
		authority, path = rest, ""
	}
	user, _, has := strings.Cut(authority[:at], ":")
	if !has {
		return text
	}
	out := scheme + "://" + user + ":" + Masked + authority[at:]
	if path != "" {
		out += "/" + path
	}
	return out
}
