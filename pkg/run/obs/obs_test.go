package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

const hidden = "hunter2"

func TestASecretIsNeverShown(t *testing.T) {
	s := obs.Secret(hidden)
	wrapped := struct {
		Name  string
		Token obs.Secret
	}{"a", s}
	asJSON, err := json.Marshal(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	obs.NewLog(&log, obs.LogConfig{}).InfoContext(t.Context(), "hello", "x", s, "y", slog.AnyValue(wrapped))
	for _, shown := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %q %v %+v %#v", s, s, s, wrapped, wrapped), s.String(), string(asJSON), string(asYAML), log.String(),
	} {
		if strings.Contains(shown, hidden) || !strings.Contains(shown, obs.Masked) {
			t.Errorf("shown: %s", shown)
		}
	}
	if s.Reveal() != hidden || obs.Secret("").String() != "" {
		t.Error("the secret is lost, or none looks like one")
	}
	var read obs.Secret
	if err := read.UnmarshalText([]byte(hidden)); err != nil || read != s {
		t.Errorf("read %q, %v", read.Reveal(), err)
	}
}

func TestKeysThatNameASecretAreKnown(t *testing.T) {
	for key, want := range map[string]bool{
		"token": true, "join_token": true, "enrol.join_token": true, "Authorization": true, "db-password": true,
		"join_token_file": false, "tls.key": false, "key_id": false, "tokens_left_count": false, "name": false, "secretary": false,
	} {
		if got := obs.IsSecretKey(key); got != want {
			t.Errorf("%s is secret: %t, want %t", key, got, want)
		}
	}
}

func TestThePasswordOfAURLIsMasked(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://ccs:hunter2@db:5432/ccs?sslmode=verify-full": "postgres://ccs:***@db:5432/ccs?sslmode=verify-full",
		"postgres://ccs:hunt%er2@db/ccs":                         "postgres://ccs:***@db/ccs",
		"postgres://ccs:hun/ter2@db/ccs":                         "postgres://ccs:***@db/ccs",
		"postgres://ccs:h@unter2@db/ccs":                         "postgres://ccs:***@db/ccs",
		"postgres://ccs@db/ccs":                                  "postgres://ccs@db/ccs",
		"https://etcd-1:2379":                                    "https://etcd-1:2379",
		"file:/var/lib/ccs/scheduler/ccs.db":                     "file:/var/lib/ccs/scheduler/ccs.db",
		"plain":                                                  "plain",
	} {
		if got := obs.RedactURL(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

func TestTheLogIsJSONFromItsLevelOn(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "": 3, "info": 3, "warn": 2, "error": 1, "loud": 3} {
		var b strings.Builder
		log := obs.NewLog(&b, obs.LogConfig{Level: level})
		log.DebugContext(t.Context(), "d")
		log.InfoContext(t.Context(), "i")
		log.WarnContext(t.Context(), "w")
		log.ErrorContext(t.Context(), "e")
		if got := strings.Count(b.String(), "\n"); got != want {
			t.Errorf("level %q: %d lines, want %d", level, got, want)
		}
	}
	if err := (obs.LogConfig{Level: "loud"}).Validate(); err == nil || err.Error() != `log.level: "loud" must be debug, info, warn or error` {
		t.Errorf("got %v", err)
	}
}

func TestTheLogMasksWhatIsNamedAsASecret(t *testing.T) {
	var b strings.Builder
	obs.NewLog(&b, obs.LogConfig{}).InfoContext(t.Context(), "hello",
		"join_token", hidden, slog.Group("db", "password", hidden, "dsn", "postgres://u:"+hidden+"@h/d"))
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), hidden) || line["join_token"] != obs.Masked {
		t.Errorf("got %s", b.String())
	}
}

// named is an id: sixteen bytes or so that write themselves.
type named [4]byte

func (n named) String() string { return fmt.Sprintf("n-%x", n[:]) }

func TestAnIDIsLoggedAsUsersKnowIt(t *testing.T) {
	var out bytes.Buffer
	log := obs.NewLog(&out, obs.LogConfig{})
	log.InfoContext(t.Context(), "some", "id", named{1, 2, 0xab}, "error", errors.New("as it is"), "list", []int{1, 2})
	for _, want := range []string{`"id":"n-0102ab00"`, `"error":"as it is"`, `"list":[1,2]`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("logged is %s, want %s", out.String(), want)
		}
	}
}
