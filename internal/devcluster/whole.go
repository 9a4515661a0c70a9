package devcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/client"
)

const (
	// askPause is the time between two questions whether the hosts are attached.
	askPause = 15 * time.Millisecond
	// sureAfter is how many answers in a row must say so. Access asks any of the
	// three schedulers, and each learns of new hosts in its own time (up to a
	// second): that one of them was never asked has a chance of (2/3)^30, 1 in
	// 200,000.
	sureAfter = 30
)

// writeClientConfig writes the config of ccsctl for the demo user, whose one
// key serves for the connection and for signing.
func (pl *plan) writeClientConfig() error {
	f := pl.files(DemoUser)
	return writeConfig(pl.layout.config("ccsctl"), map[string]any{
		"addresses": pl.addresses(tierAccess, "", "listen"),
		"tls.cert":  f.Cert, "tls.key": f.Key, "tls.ca": f.CA, "signing_key": f.Key,
	})
}

// enrolUser gets the demo user's certificate from the issuer.
func (c *Cluster) enrolUser(ctx context.Context) error {
	token, err := os.ReadFile(c.layout.pki(DemoUser + ".token"))
	if err != nil {
		return fmt.Errorf("cannot enrol %s: %w", DemoUser, err)
	}
	f := c.plan.files(DemoUser)
	return client.Enrol(ctx, client.Enrolment{
		Issuer: c.plan.addresses(tierIssuer, "", "listen")[0], Domain: Domain, User: DemoUser,
		Token: strings.TrimSpace(string(token)), KeyFile: f.Key, CAFile: f.CA, CertFile: f.Cert,
	})
}

// Client is the SDK as the demo user; the caller closes it.
func (c *Cluster) Client() (*client.Client, error) {
	f := c.plan.files(DemoUser)
	return client.New(client.Config{
		Addresses: c.plan.addresses(tierAccess, "", "listen"),
		CertFile:  f.Cert, KeyFile: f.Key, CAFile: f.CA, SigningKey: f.Key,
	})
}

// awaitAttached asks access until every host that counts is attached. When
// the context ends first it names those that are not, with the end of the log
// of the first one's agent.
func (c *Cluster) awaitAttached(ctx context.Context, counts func(host) bool) (err error) {
	ctl, err := c.Client()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ctl.Close()) }()
	tick := time.NewTicker(askPause)
	defer tick.Stop()
	var missing []string
	var asked error
	for inARow := 0; ; {
		var now []string
		if now, asked = c.missing(ctx, ctl, counts); asked == nil {
			missing = now // what was known last is worth more than no answer
		}
		if inARow++; asked != nil || len(missing) > 0 {
			inARow = 0
		} else if inARow == sureAfter {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.Gone():
			return errors.New("cannot wait for the hosts: the guard is gone")
		case <-ctx.Done():
			return c.notWhole(context.Cause(ctx), missing, asked, counts)
		}
	}
}

// missing lists the hosts that count and are not attached.
func (c *Cluster) missing(ctx context.Context, ctl *client.Client, counts func(host) bool) (ids []string, err error) {
	attached := map[string]bool{}
	for h, err := range ctl.Hosts(ctx, "") {
		if err != nil {
			return nil, err
		}
		attached[h.ID] = h.Attached
	}
	for _, h := range c.plan.options.hosts() {
		if counts(h) && !attached[h.id] {
			ids = append(ids, h.id)
		}
	}
	return ids, nil
}

func (c *Cluster) notWhole(cause error, missing []string, asked error, counts func(host) bool) error {
	if asked != nil && missing == nil {
		agents := c.plan.hostNames(tierAgent, counts)
		return fmt.Errorf("access does not say which of %d hosts are attached: %w (%w)\n%s",
			len(agents), asked, cause, c.crew.members["access-1"].tail())
	}
	return fmt.Errorf("%d hosts are not attached (%s): %w\n%s",
		len(missing), strings.Join(missing, ", "), cause, c.crew.members["agent-"+missing[0]].tail())
}
