package wire

import "time"

func pause() { time.Sleep(1) }
