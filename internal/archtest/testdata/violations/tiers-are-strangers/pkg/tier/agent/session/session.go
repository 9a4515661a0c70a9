package session

import (
	_ "github.com/ccs-project/ccs/pkg/tier/agent"
	_ "github.com/ccs-project/ccs/pkg/tier/aggregator"
)
