package setup

import _ "github.com/ccs-project/ccs/pkg/run/lifecycle"
