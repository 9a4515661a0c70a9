package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAwake(t *testing.T) {
	time.Sleep(time.Second)
	synctest.Test(t, func(t *testing.T) { time.Sleep(time.Hour) })
	synctest.Test(t, inside)
}

func inside(t *testing.T) { time.Sleep(time.Minute) }
