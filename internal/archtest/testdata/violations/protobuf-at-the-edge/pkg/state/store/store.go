package store

import (
	_ "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	_ "google.golang.org/protobuf/proto"
)
