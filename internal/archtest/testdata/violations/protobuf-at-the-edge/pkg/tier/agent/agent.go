package agent

import _ "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
