package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// Bounds of the port for metrics and health, which asks nobody who he is.
const (
	headerTimeout   = 5 * time.Second
	answerTimeout   = 20 * time.Second
	idleTimeout     = time.Minute
	maxHeader       = 16 << 10
	maxScrapers     = 64 // connections
	monitorDraining = time.Second
	listenPatience  = time.Second
	listenPause     = 10 * time.Millisecond
)

// errStarting is why a process is not ready that has not said how it is.
var errStarting = errors.New("starting")

// health is how a process is: Run gives it its check on the way.
type health struct {
	check    atomic.Pointer[obs.Check]
	draining <-chan struct{} // closed when the process was told to stop
}

// set says who knows how the process is.
func (h *health) set(check obs.Check) { h.check.Store(&check) }

// now is why the process is not ready, nil if it is.
func (h *health) now() error {
	select {
	case <-h.draining:
		return obs.ErrDraining
	default:
	}
	if check := h.check.Load(); check != nil {
		return (*check)()
	}
	return errStarting
}

// monitor is where a process is watched from: metrics and health over HTTP.
type monitor struct {
	server *http.Server
	log    *slog.Logger
	addr   string // where it listens; empty: there is none
	ended  chan struct{}
}

// openMonitor serves until close. An address that is empty is none.
func openMonitor(ctx context.Context, address string, metrics http.Handler, h *health, log *slog.Logger) (*monitor, error) {
	m := &monitor{log: log, ended: make(chan struct{})}
	if address == "" {
		close(m.ended)
		return m, nil
	}
	lis, err := listenPatiently(ctx, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen for metrics and health: another process has %s; end it, or set metrics_listen to another address (host:0: any free port; empty: none): %w", address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for metrics and health (metrics_listen): %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.now()) })
	m.addr = lis.Addr().String()
	m.server = &http.Server{
		Handler: mux, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of strangers' connections
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	go func() {
		defer close(m.ended)
		if err := m.server.Serve(netutil.LimitListener(lis, maxScrapers)); !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(ctx, "metrics and health are not served any more", "error", err)
		}
	}()
	return m, nil
}

// listenPatiently waits a little for an address that is taken. An executor that
// is killed while it forks leaves it to the child, for the moment until that has
// become the end-process.
func listenPatiently(ctx context.Context, address string) (net.Listener, error) {
	for until := time.Now().Add(listenPatience); ; {
		lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || ctx.Err() != nil || time.Now().After(until) {
			return lis, err
		}
		lifecycle.Pause(ctx, listenPause)
	}
}

// answer says that all is well, or why not, as text for a person.
func answer(w http.ResponseWriter, why error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "ok"
	if why != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = why.Error()
	}
	_, _ = io.WriteString(w, text+"\n") // he has gone
}

// close lets answers that are under way end, and ends.
func (m *monitor) close(ctx context.Context) {
	if m.server != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), monitorDraining)
		defer cancel()
		if m.server.Shutdown(ctx) != nil {
			_ = m.server.Close() // what did not end in time
		}
	}
	<-m.ended
}
