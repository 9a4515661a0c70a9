package setup_test

import _ "github.com/ccs-project/ccs/cmd/internal/setup"
