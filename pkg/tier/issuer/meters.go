package issuer

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// result is what became of one request for a certificate.
type result struct {
	kind identity.Role
	code codes.Code
}

// enrolments counts them, with each result's labels made once. It is safe for
// concurrent use.
type enrolments struct {
	asked  metric.Int64Counter
	labels map[result][]metric.AddOption
}

func newEnrolments(t obs.Telemetry) enrolments {
	e := enrolments{asked: t.Counter(obs.Enrolments), labels: map[result][]metric.AddOption{}}
	for _, kind := range []identity.Role{identity.Host, identity.User} {
		for code := codes.OK; code <= codes.Unauthenticated; code++ {
			e.labels[result{kind, code}] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
				attribute.String("kind", string(kind)), attribute.String("result", code.String()),
			))}
		}
	}
	return e
}

func (e enrolments) count(ctx context.Context, kind identity.Role, err error) {
	e.asked.Add(ctx, 1, e.labels[result{kind, status.Code(err)}]...)
}

// errNoOwner is why no host can be enrolled now.
var errNoOwner = errors.New("no scheduler is known that owns the host table: hosts cannot be enrolled; see whether the schedulers run and etcd can be reached")

// Check is an [obs.Check]: it says why the issuer is not ready now.
func (s *Server) Check() error {
	switch {
	case s.draining.Load():
		return obs.ErrDraining
	case !s.hosts.owned():
		return errNoOwner
	}
	return nil
}
