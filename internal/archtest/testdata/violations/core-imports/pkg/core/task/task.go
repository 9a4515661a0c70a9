package task

import (
	_ "errors"
	_ "fmt"
	_ "github.com/ccs-project/ccs/pkg/core/job"
)
