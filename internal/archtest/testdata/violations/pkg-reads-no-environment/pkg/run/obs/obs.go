package obs

import (
	_ "flag"
	environment "os"

	_ "github.com/spf13/viper"
)

var level = environment.Getenv("LOG_LEVEL")

var me = environment.Getpid()
