package obs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Panics keeps a panic of whoever answers a call to that call: the caller is told
// INTERNAL, which nobody repeats, and the log has the stack. Else one request that
// trips over a fault of the program would end its process, and as a lost server is
// asked again elsewhere, one process after another. What a handler shares with
// others it locks with defer, so a panic leaves nothing locked.
// Its interceptors come after those of [RequestMeter], which so counts the answer,
// and before all that looks at the request. They are safe for concurrent use.
type Panics struct{ log *slog.Logger }

// NewPanics says in this log what it has caught.
func NewPanics(log *slog.Logger) Panics { return Panics{log} }

// Unary is the interceptor of unary calls.
func (p Panics) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if value := recover(); value != nil {
			resp, err = nil, p.caught(ctx, info.FullMethod, value)
		}
	}()
	return handle(ctx, req)
}

// Stream is the interceptor of streams.
func (p Panics) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = p.caught(stream.Context(), info.FullMethod, value)
		}
	}()
	return handle(srv, stream)
}

func (p Panics) caught(ctx context.Context, method string, value any) error {
	p.log.ErrorContext(ctx, "call crashed its handler; it was answered, and the process goes on",
		"method", method, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "the server tripped over this request, which is a fault of the server: its log has more. "+
		"Report it; to ask the same again will not help")
}
