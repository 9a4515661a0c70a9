package cctest

import "time"

func settle() { time.Sleep(1) }
