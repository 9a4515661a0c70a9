package wire

import (
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// withDetail adds a detail for programs to a status for people. A detail that
// cannot be encoded costs only itself.
func withDetail(s *status.Status, detail protoadapt.MessageV1) error {
	if with, err := s.WithDetails(detail); err == nil {
		return with.Err()
	}
	return s.Err()
}
