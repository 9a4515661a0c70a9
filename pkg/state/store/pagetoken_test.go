package store_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/state/store"
)

func TestAPageTokenGoesOnWhereThePageEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.String().Draw(t, "list")
		cursor := rapid.StringN(0, 64, 128).Draw(t, "cursor")
		got, err := store.Cursor(list, store.PageToken(list, cursor))
		if err != nil || got != cursor {
			t.Fatalf("cursor %q came back as %q, %v", cursor, got, err)
		}
	})
}

func TestATokenOfAnotherListIsRefusedInWords(t *testing.T) {
	token := store.PageToken("jobs submitter=ann", "17")
	for _, list := range []string{"jobs submitter=bob", "jobs", "hosts"} {
		_, err := store.Cursor(list, token)
		if !errors.Is(err, store.ErrPageToken) || !strings.Contains(err.Error(), "another list") {
			t.Errorf("list %q: %v, want ErrPageToken that speaks of another list", list, err)
		}
	}
}

func TestADamagedTokenIsToldFromAForeignOne(t *testing.T) {
	token := store.PageToken("jobs", "1234567890")
	for name, bad := range map[string]string{
		"cut":       token[:len(token)-3],
		"no base64": "!" + token[1:],
		"changed":   token[:10] + flip(token[10]) + token[11:],
		"tiny":      "AQ",
	} {
		_, err := store.Cursor("jobs", bad)
		if !errors.Is(err, store.ErrPageToken) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v, want ErrPageToken that says damaged", name, err)
		}
	}
	if _, err := store.Cursor("jobs", strings.Repeat("A", 10_000)); !errors.Is(err, store.ErrPageToken) {
		t.Errorf("a token of 10,000 characters: %v, want ErrPageToken", err)
	}
}

func TestTheEmptyTokenIsTheFirstPage(t *testing.T) {
	if got := store.PageToken("jobs", ""); got != "" {
		t.Errorf("the empty cursor gave token %q", got)
	}
	if cursor, err := store.Cursor("jobs", ""); cursor != "" || err != nil {
		t.Errorf("the empty token gave %q, %v", cursor, err)
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
