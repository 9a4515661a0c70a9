package job

import "time"

var began = time.Now()
