package a

import "testing"

func TestThings(*testing.T) {}
