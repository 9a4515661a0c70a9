package link

import (
	_ "math/rand"
	_ "testing"
)
