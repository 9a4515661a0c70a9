package setup

import (
	"context"
	"errors"
	"maps"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/export"
)

// watched runs a program with all by which others see how it is: the ready file,
// metrics and health, traces. They are there before it, and after it they end.
func watched(ctx context.Context, p Process, c Common, run func(Process) error) (err error) {
	file := &readyFile{path: c.ReadyFile, pid: os.Getpid()}
	defer file.remove()
	file.clear()
	out, err := export.Open(c.Export, export.Service{Name: "ccs-" + p.Name, Version: p.Version}, p.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close(context.WithoutCancel(ctx))) }()
	state := newHealth(ctx.Done(), p.Log)
	watch, err := openMonitor(ctx, c.MetricsListen, out.Metrics(), state, p.Log)
	if err != nil {
		return err
	}
	defer watch.close(ctx)
	p.Telemetry, p.Check = out.Telemetry(), state.set
	p.Ready = func(addresses map[string]string) error {
		all := map[string]string{}
		maps.Copy(all, addresses)
		if watch.addr != "" {
			all["metrics_listen"] = watch.addr
		}
		return file.write(all)
	}
	return run(p)
}

// Expires says until when the process's certificate is good; zero: it has none.
func (p Process) Expires(notAfter func() time.Time) {
	p.Telemetry.Gauge(obs.CertificateExpiry, func(observe func(int64, ...attribute.KeyValue)) {
		if t := notAfter(); !t.IsZero() {
			observe(t.Unix())
		}
	})
}
