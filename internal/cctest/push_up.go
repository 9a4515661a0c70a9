package cctest

import (
	"time"

	"google.golang.org/protobuf/proto"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
)

// RecvMsg receives what comes from a host or from a scheduler.
func (s *meddled) RecvMsg(message any) error {
	if s.again != nil {
		copyTo(message, s.again)
		s.again = nil
		return nil
	}
	for {
		if err := s.ServerStream.RecvMsg(message); err != nil {
			return err
		}
		lost, delay, times := s.heard(message)
		if wait(s.Context(), delay); lost {
			continue
		}
		if times > 1 {
			s.again = proto.Clone(message.(proto.Message))
		}
		return nil
	}
}

func (s *meddled) heard(message any) (lost bool, delay time.Duration, times int) {
	switch in := message.(type) {
	case *sessionv1.ConnectRequest:
		if beat := in.GetHeartbeat(); beat != nil {
			beat.Reports = parts(s.meddler, HostReport, beat.GetReports(), &delay)
		}
	case *meshv1.ConnectRequest:
		switch {
		case in.GetDispatch() != nil:
			return s.judge(Dispatch)
		case in.GetWishes() != nil:
			return s.judge(Wish)
		case in.GetQuery() != nil:
			return s.judge(Query)
		}
	}
	return false, delay, 1
}

func copyTo(into, from any) {
	message := into.(proto.Message)
	proto.Reset(message)
	proto.Merge(message, from.(proto.Message))
}
