package main

import _ "github.com/ccs-project/ccs/cmd/internal/setup"
