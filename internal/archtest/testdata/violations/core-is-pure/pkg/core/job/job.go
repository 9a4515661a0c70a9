package job

import (
	"fmt"
	clock "time"
)

type Machine struct {
	due   clock.Time
	every *clock.Ticker
	wake  chan struct{}
}

func (m *Machine) Step() {
	m.due = clock.Now()
	go m.Step()
	fmt.Println("stepped")
	println(fmt.Sprint(m.due.Add(clock.Second)))
}
