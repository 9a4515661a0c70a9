package job

import (
	_ "fmt"
	_ "github.com/ccs-project/ccs/pkg/core/task"
	_ "github.com/ccs-project/ccs/pkg/wire"
	_ "google.golang.org/grpc"
	_ "net"
	_ "sync"
)
