package main

import (
	_ "github.com/ccs-project/ccs/pkg/tier/endprocess"
	_ "github.com/spf13/viper"
	_ "os/exec"
)
