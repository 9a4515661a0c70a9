package endprocess

import (
	_ "github.com/ccs-project/ccs/pkg/run/obs"
	_ "log/slog"
)
