package main

import _ "github.com/ccs-project/ccs/pkg/tier/agent"
