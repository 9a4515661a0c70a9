package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// Bounds of the port for metrics and health, which asks nobody who he is.
const (
	headerTimeout   = 2 * time.Second
	answerTimeout   = 10 * time.Second
	maxHeader       = 16 << 10
	monitorDraining = time.Second
	listenPatience  = time.Second
	listenPause     = 10 * time.Millisecond
)

// monitor is where a process is watched from: metrics and health over HTTP.
type monitor struct {
	server *http.Server
	guests *crowd
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
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, "") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, h.reason(r.Context())) })
	m.addr = lis.Addr().String()
	m.guests = &crowd{Listener: lis}
	m.server = &http.Server{
		Handler: m.guests.serving(mux), ConnContext: mark, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of strangers' connections
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout, MaxHeaderBytes: maxHeader,
	}
	m.server.SetKeepAlivesEnabled(false) // who asks every few seconds needs no connection meanwhile
	go func() {
		defer close(m.ended)
		if err := m.server.Serve(m.guests); !errors.Is(err, http.ErrServerClosed) {
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
func answer(w http.ResponseWriter, reason string) {
	code, text := http.StatusOK, "ok\n"
	if reason != "" {
		code, text = http.StatusServiceUnavailable, reason+"\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text) // he has gone
}

// close lets answers that are under way end, and ends.
func (m *monitor) close(ctx context.Context) {
	if m.server != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), monitorDraining)
		defer cancel()
		m.guests.dismiss() // Shutdown would wait for them
		if m.server.Shutdown(ctx) != nil {
			_ = m.server.Close() // what did not end in time
		}
	}
	<-m.ended
}
