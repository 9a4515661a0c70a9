package obs

import _ "github.com/ccs-project/ccs/cmd/internal/setup"
