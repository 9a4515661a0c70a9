package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

// verification counts whose results are what their hosts signed.
type verification struct {
	good  int
	wrong []unverified // in the order in which they came up
}

// unverified are hosts that did not verify for the same reason.
type unverified struct {
	why   string
	hosts []string
}

// check looks at the signature over a result and at the outputs that it names.
// The error is of the servers or of the network: nothing is known of the host.
func (v *verification) check(ctx context.Context, c *contents, t client.Task) (good bool, err error) {
	err = c.ctl.Verify(ctx, c.job, t)
	for _, ref := range []client.OutputRef{t.Stdout, t.Stderr} {
		if err == nil {
			err = c.ctl.Output(ctx, c.job, ref, io.Discard)
		}
	}
	if err == nil {
		v.good++
		return true, nil
	}
	switch client.CodeOf(err) {
	case client.NotSigned, client.Corrupt, client.NotFound, client.Denied, client.Invalid:
		v.note(strings.ReplaceAll(err.Error(), "host "+t.Host+" ", "the host "), t.Host) // the same of many hosts is said once
		return false, nil
	case client.Internal, client.Conflict, client.Expired, client.WrongState, client.TooMuch, client.Unavailable, client.Canceled:
	}
	return false, err
}

func (v *verification) note(why, host string) {
	i := slices.IndexFunc(v.wrong, func(u unverified) bool { return u.why == why })
	if i < 0 {
		i = len(v.wrong)
		v.wrong = append(v.wrong, unverified{why: why})
	}
	v.wrong[i].hosts = append(v.wrong[i].hosts, host)
}

// say names what did not verify and returns the exit status.
func (v *verification) say(a *app, of int) int {
	for _, u := range v.wrong {
		a.say("NOT VERIFIED %s: %s\n", (&resultGroup{hosts: u.hosts}).name(), u.why)
	}
	a.say("verified %d of %d\n", v.good, of)
	if len(v.wrong) > 0 {
		return exitSome
	}
	return exitOK
}
