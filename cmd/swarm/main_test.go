package main

import (
	"strings"
	"testing"
	"time"
)

func TestEveryFaultOfTheFlagsIsNamed(t *testing.T) {
	if err := (flags{hosts: 1000, rounds: 5, limit: time.Minute}).validate(); err != nil {
		t.Errorf("good flags: %v", err)
	}
	err := flags{hosts: mostHosts + 1}.validate()
	if err == nil {
		t.Fatal("bad flags were taken")
	}
	for _, flag := range []string{"--hosts", "--rounds", "--limit"} {
		if !strings.Contains(err.Error(), flag) {
			t.Errorf("nothing is said of %s: %v", flag, err)
		}
	}
}
