package sqlite

import _ "github.com/ccs-project/ccs/pkg/state/store"
