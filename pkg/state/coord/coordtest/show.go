package coordtest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// show writes the items of a view as [key=value key=value].
func show(v coord.View) string {
	out := []string{}
	for _, key := range slices.Sorted(maps.Keys(v.Items)) {
		out = append(out, key+"="+string(v.Items[key]))
	}
	return fmt.Sprint(out)
}
