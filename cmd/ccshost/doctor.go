package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// soon is how long before its expiry a certificate is told of.
const soon = 3 * 24 * time.Hour

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong on this host, and say what to do",
		Long: `Look for what is wrong on this host: one line for each thing that was looked at,
with what to do where it is not ok. The exit status is 1 if there is a FAULT.`,
		Example: "  ccshost doctor",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *app) doctor(ctx context.Context) error {
	checks := a.host.Checks(a.now())
	checks = append(checks, a.configuration()...)
	checks = append(checks, a.socket(ctx), a.endProcess(ctx), a.certificate(), a.bundle())
	if err := a.showChecks(checks); err != nil {
		return err
	}
	for _, c := range checks {
		if c.Level == operator.Fault {
			return errNotOK
		}
	}
	return nil
}

func (a *app) showChecks(checks []operator.Check) error {
	if a.output == formatJSON {
		type document struct {
			Name  string `json:"name"`
			Level string `json:"level"` // ok, warn, FAULT
			Text  string `json:"text"`
			Do    string `json:"do,omitempty"`
		}
		docs := make([]document, 0, len(checks))
		for _, c := range checks {
			docs = append(docs, document{c.Name, string(c.Level), c.Text, c.Do})
		}
		return a.document(map[string]any{"checks": docs})
	}
	for _, c := range checks {
		line := fmt.Sprintf("%-5s  %s: %s", c.Level, c.Name, c.Text)
		if c.Do != "" {
			line += ". " + c.Do
		}
		if err := a.print("%s\n", oneLine(line)); err != nil {
			return err
		}
	}
	return nil
}

// configuration is what executor and agent would say of theirs.
func (a *app) configuration() []operator.Check {
	checks := make([]operator.Check, 0, 2)
	for _, c := range []struct {
		name, file string
		err        error
	}{
		{"executor's configuration", a.executorFile, a.executor.Validate()},
		{"agent's configuration", a.agentFile, a.agent.Validate()},
	} {
		for _, err := range a.unread {
			if strings.HasPrefix(err.Error(), c.file) {
				c.err = errors.Join(err, c.err)
			}
		}
		check := operator.Check{Name: c.name, Level: operator.OK, Text: c.file}
		if c.err != nil {
			check.Level, check.Text = operator.Fault, c.file+": "+strings.ReplaceAll(c.err.Error(), "\n", "; ")
			check.Do = "mend the file: with it the process does not start"
		}
		checks = append(checks, check)
	}
	return checks
}

// socket looks who may call the executor, and whether it answers.
func (a *app) socket(ctx context.Context) operator.Check {
	c := operator.Check{Name: "socket", Level: operator.Fault, Do: "start the executor; nobody can hand it anything"}
	path := a.executor.Socket
	st, err := os.Lstat(path)
	if err != nil {
		c.Text = err.Error()
		return c
	}
	info, err := a.info(ctx)
	switch {
	case st.Mode()&fs.ModeSocket == 0:
		c.Text, c.Do = path+" is no socket", "move it away and start the executor again"
	case st.Mode().Perm()&0o077 != 0:
		c.Text, c.Do = fmt.Sprintf("%s has mode %04o", path, st.Mode().Perm()), "start the executor again: it makes its socket for its own account alone"
	case err != nil:
		c.Text, c.Do = fmt.Sprintf("%s does not answer: %v", path, err), "see the executor's log; if it hangs, start it again: what runs goes on"
	case info.Version != setup.Version():
		c.Level, c.Text = operator.Warn, fmt.Sprintf("the executor is of version %s, ccshost of %s", info.Version, setup.Version())
		c.Do = "start the executor again after an upgrade: what runs goes on"
	default:
		return operator.Check{Name: "socket", Level: operator.OK, Text: path + " answers, version " + info.Version}
	}
	return c
}

// endProcess looks whether the program that is started for every command is
// there, and of this version.
func (a *app) endProcess(ctx context.Context) operator.Check {
	c := operator.Check{Name: "end-process", Level: operator.Fault, Do: "install ccs-endprocess beside ccs-executor: without it no command starts"}
	path := a.executor.EndProcess
	if err := unix.Access(path, unix.X_OK); err != nil {
		c.Text = fmt.Sprintf("%s: %v", path, err)
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, callBudget)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	version := strings.TrimSpace(strings.TrimPrefix(string(out), "ccs-endprocess "))
	switch {
	case err != nil:
		c.Text = fmt.Sprintf("%s does not run: %v", path, err)
	case version != setup.Version():
		c.Level, c.Text = operator.Warn, fmt.Sprintf("%s is of version %s, ccshost of %s", path, version, setup.Version())
		c.Do = "install all of one release"
	default:
		return operator.Check{Name: c.Name, Level: operator.OK, Text: path + ", version " + version}
	}
	return c
}

// certificate looks until when the host is known above.
func (a *app) certificate() operator.Check {
	path := a.agent.CertificateFile()
	c := operator.Check{Name: "certificate", Level: operator.Fault, Do: "see the agent's log: it enrols and renews by itself where it can"}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		c.Level, c.Text = operator.Warn, "there is none yet at "+path
		return c
	}
	if err != nil {
		c.Text = err.Error()
		return c
	}
	block, _ := pem.Decode(text)
	if block == nil {
		c.Text = path + " is no PEM"
		return c
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	left := time.Duration(0)
	if err == nil {
		left = cert.NotAfter.Sub(a.now())
	}
	switch {
	case err != nil:
		c.Text = fmt.Sprintf("%s: %v", path, err)
	case left <= 0:
		c.Text = "expired " + stamp(cert.NotAfter)
	case left < soon:
		c.Level, c.Text = operator.Warn, "expires "+stamp(cert.NotAfter)
	default:
		return operator.Check{Name: c.Name, Level: operator.OK, Text: "good until " + stamp(cert.NotAfter)}
	}
	return c
}

// bundle looks whether the users' keys that are held here are still believed.
func (a *app) bundle() operator.Check {
	c := operator.Check{Name: "bundle", Level: operator.Fault, Do: "every command is refused: publish a newer bundle, and see to the session"}
	text, err := os.ReadFile(a.agent.OperatorKey)
	if err != nil {
		c.Text, c.Do = fmt.Sprintf("cannot read operator_key: %v", err), "copy the operator's public key to this host"
		return c
	}
	key, err := identity.DecodePublicKey(text)
	if err != nil {
		c.Text, c.Do = fmt.Sprintf("operator_key %s: %v", a.agent.OperatorKey, err), "copy the operator's public key to this host"
		return c
	}
	held, err := agent.KeptBundle(a.agent.StateDir, key)
	switch {
	case err != nil:
		c.Text = fmt.Sprintf("what is kept cannot be believed: %v", err)
	case held.Version == 0:
		c.Text = "none is held here"
	case held.Stale(a.now()):
		c.Text = fmt.Sprintf("version %d expired %s", held.Version, stamp(held.Expires))
	default:
		return operator.Check{Name: c.Name, Level: operator.OK, Text: fmt.Sprintf("version %d, good until %s", held.Version, stamp(held.Expires))}
	}
	return c
}
