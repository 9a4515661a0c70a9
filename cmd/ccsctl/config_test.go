package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

func TestTheConfigurationIsExplained(t *testing.T) {
	transcript(t, "config", func(ctx context.Context, r *rig) {
		r.run(ctx, "config")
		r.write("bad.yaml", "addresses: [ccs1]\ntls: {cert: a, kye: b}\nsigning-key: c\noutput: xml\nconfirm_above: many\nutc: 7 o'clock\n")
		r.env["CCSCTL_ADDRESS"] = "a:1"
		r.run(ctx, "--config", "DIR/bad.yaml", "host", "list")
		r.run(ctx, "--config", "DIR/bad.yaml", "config")
		delete(r.env, "CCSCTL_ADDRESS")
		r.write("broken.yaml", "addresses: [")
		r.run(ctx, "--config", "DIR/broken.yaml", "host", "list")
		r.run(ctx, "--config", "DIR/nowhere.yaml", "host", "list")
		r.env["CCSCTL_CONFIG"] = ""
		r.env["HOME"] = r.dir
		r.run(ctx, "host", "list")
		must(t, os.MkdirAll(r.dir+"/.config/ccs", 0o700))
		r.write(".config/ccs/config.yaml", "addresses: [a:1]\ntls: {cert: me.crt, key: /k, ca: ca}\nsigning_key: me.key\noutput: json\n")
		r.run(ctx, "host", "list", "-l", "id=h1")
		r.run(ctx, "host", "list", "-l", "id=h1", "-o", "plain")
		r.open = client.New
		r.run(ctx, "host", "list")
	})
}

func TestWithoutAHomeThereIsNoDefaultConfiguration(t *testing.T) {
	transcript(t, "config-homeless", func(ctx context.Context, r *rig) {
		for _, home := range []string{"", "."} {
			r.env = map[string]string{"HOME": home}
			if got := r.run(ctx, "host", "list"); got != exitUsage {
				t.Errorf("exit status %d", got)
			}
			r.run(ctx, "config")
		}
		r.env = map[string]string{
			"CCSCTL_ADDRESSES": "a:1", "CCSCTL_TLS_CERT": "c", "CCSCTL_TLS_KEY": "k", "CCSCTL_TLS_CA": "a", "CCSCTL_SIGNING_KEY": "k",
		}
		r.run(ctx, "config")
		r.run(ctx, "host", "list", "-l", "id=h1")
		r.open = client.New
		r.run(ctx, "host", "list")
	})
}

// given is what reaches the client.
func given(r *rig) *client.Config {
	var got client.Config
	open := r.open
	r.open = func(c client.Config) (*client.Client, error) { got = c; return open(c) }
	return &got
}

func TestAFlagCountsMoreThanTheEnvironmentAndThatMoreThanTheFile(t *testing.T) {
	transcript(t, "config-order", func(ctx context.Context, r *rig) {
		got := given(r)
		r.write("config.yaml", "addresses: [file:1]\ntls: {cert: file.crt, key: file.key, ca: file.ca}\nsigning_key: file.key\noutput: yaml\nconfirm_above: 5\n")
		r.env["CCSCTL_ADDRESSES"] = "env1:1,env2:2"
		r.env["CCSCTL_TLS_CERT"] = "env.crt"
		r.env["CCSCTL_OUTPUT"] = "json"
		r.env["CCSCTL_CONFIRM_ABOVE"] = "0"
		r.run(ctx, "config", "-o", "plain", "--tls-key", "flag.key", "--utc")
		r.run(ctx, "config")
		r.run(ctx, "host", "list", "-l", "id=h1", "--output", "plain", "--address", "flag:1", "--address", "flag:2,flag:3")
		if want := "flag:1 flag:2 flag:3"; strings.Join(got.Addresses, " ") != want || got.CertFile != "env.crt" || got.CAFile != r.dir+"/file.ca" {
			t.Errorf("the client got %+v", *got)
		}
	})
}

func TestTheEnvironmentAloneIsEnough(t *testing.T) {
	transcript(t, "config-environment", func(ctx context.Context, r *rig) {
		got := given(r)
		r.env = map[string]string{
			"HOME": r.dir, "CCSCTL_ADDRESSES": "a:1, b:2", "CCSCTL_TLS_CERT": "me.crt", "CCSCTL_TLS_KEY": "me.key", "CCSCTL_TLS_CA": "/etc/ca.crt",
			"CCSCTL_SIGNING_KEY": "sign.key", "CCSCTL_UTC": "true", "CCSCTL_NO_COLOR": "true",
		}
		r.run(ctx, "config")
		r.run(ctx, "host", "list", "-l", "id=h1")
		want := client.Config{Addresses: []string{"a:1", "b:2"}, CertFile: "me.crt", KeyFile: "me.key", CAFile: "/etc/ca.crt", SigningKey: "sign.key"}
		if strings.Join(got.Addresses, " ") != "a:1 b:2" || got.SigningKey != want.SigningKey || got.CAFile != want.CAFile {
			t.Errorf("the client got %+v", *got)
		}
		r.env["CCSCTL_CONFIRM_ABOVE"], r.env["CCSCTL_UTC"], r.env["CCSCTL_SIGNING_KEY"] = "-1", "maybe", ""
		r.run(ctx, "host", "list")
	})
}

func TestTimesAreInTheZoneOfThisMachineAndSaySo(t *testing.T) {
	transcript(t, "zone", func(ctx context.Context, r *rig) {
		r.zone = time.FixedZone("CST", 8*3600)
		r.run(ctx, "run", "--all", "--", "uptime")
		r.run(ctx, "job", "get", "JOB")
		r.run(ctx, "job", "get", "JOB", "--utc")
		r.run(ctx, "task", "list", "JOB", "--host", "h1")
		r.run(ctx, "task", "list", "JOB", "--host", "h1", "-o", "yaml")
		r.run(ctx, "host", "list", "-l", "id=h1")
	})
}

func TestEveryLengthOfTimeIsShortEnoughToRead(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                             "0s",
		1234 * time.Microsecond:       "1ms",
		1500 * time.Millisecond:       "1.5s",
		125 * time.Second:             "2m5s",
		2 * time.Minute:               "2m",
		time.Hour + 59*time.Second:    "1h1m",
		76*time.Hour + 20*time.Minute: "3d4h",
		24 * time.Hour:                "1d",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
