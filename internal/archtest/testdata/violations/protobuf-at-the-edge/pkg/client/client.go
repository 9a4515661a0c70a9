package client

import _ "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
