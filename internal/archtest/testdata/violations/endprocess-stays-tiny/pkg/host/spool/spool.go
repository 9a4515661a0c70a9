package spool

import (
	_ "encoding/json"
	_ "github.com/ccs-project/ccs/pkg/core/task"
	_ "github.com/ccs-project/ccs/pkg/host/proc"
	_ "golang.org/x/sys/unix"
	_ "os"
)
