package main

import _ "github.com/ccs-project/ccs/pkg/state/roomspool/disk"
