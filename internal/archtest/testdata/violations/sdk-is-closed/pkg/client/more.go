package client

import (
	"iter"

	. "github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// An iterator shows what it yields.
func (c *Client) Watch() iter.Seq2[*job.Row, error] { return nil }

// So do a function that is handed in, and what is in a map.
func Each(func(map[string][]job.Row) error) {}

// A type parameter shows what it is limited to.
func Sum[T interface{ job.Row | ~int }](T) {}

type Box[T capsule.Any] struct{ Of T }

// Other packages of the module are internal as well.
type Sealed struct{ Envelope *capsule.Envelope }

var ErrLate error = wire.ErrLate

func Late() wire.Delay { return nil }

// An alias of an alias, and a name for one.
type alias = handle

type handle = job.ID

func Label() alias { return alias{} }

// Whoever is handed an unexported type can call its methods.
type ticket struct{ id job.ID }

func (t *ticket) ID() job.ID { return t.id }

func (t *ticket) hidden() job.ID { return t.id }

func Open() *ticket { return nil }

// A variable has the type of what the function returns, and of what it is set to.
var Default, Same = fallback(job.Row{}), lowest

func fallback(job.Row) job.ID { return job.ID{} }

var lowest = job.Row{}

// An interface is all of its methods, and of what it embeds.
type Source interface {
	wire.Source
	plain
}

type plain interface{ Next() job.Row }

// What nobody outside can reach is free.
type inside struct{ Row job.Row }

func (inside) Exported() job.Row { return job.Row{} }

func use(inside) {}

func Parameters(handle, lowest int) {}

func (c *Client) log(job.Row) {}
