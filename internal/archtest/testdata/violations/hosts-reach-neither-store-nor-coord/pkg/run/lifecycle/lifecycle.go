package lifecycle

import (
	_ "context"
	_ "github.com/ccs-project/ccs/pkg/state/coord"
)
