package scheduler

import _ "github.com/ccs-project/ccs/pkg/state/roomspool"
