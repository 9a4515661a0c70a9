package agent

import _ "github.com/ccs-project/ccs/pkg/tier/executor"
