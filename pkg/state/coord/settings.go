package coord

import (
	"context"
	"fmt"
	"strings"
)

// Keys of what operators set.
const (
	classPrefix = "classes/"
	bundleKey   = "bundle"
)

// Classes is which pool serves which class.
type Classes struct {
	Revision int64
	Pool     map[string]string // by class
	Alarm    error             // as in [View]
}

// PutClass sends the jobs of a class to a pool from now on.
func PutClass(ctx context.Context, c Client, class, pool string) error {
	if class == "" || pool == "" || strings.Contains(class+pool, "/") {
		return fmt.Errorf("cannot map class %q to pool %q: both must be set, without '/'", class, pool)
	}
	return c.Put(ctx, classPrefix+class, []byte(pool))
}

// WatchClasses calls see with all classes as [Client.Watch] does.
func WatchClasses(ctx context.Context, c Client, see func(Classes)) error {
	return c.Watch(ctx, classPrefix, func(v View) {
		out := Classes{Revision: v.Revision, Pool: make(map[string]string, len(v.Items)), Alarm: v.Alarm}
		for key, value := range v.Items {
			out.Pool[strings.TrimPrefix(key, classPrefix)] = string(value)
		}
		see(out)
	})
}

// PutBundle publishes the signed bundle of keys. Whoever reads it checks its
// signature and version; here it is bytes.
func PutBundle(ctx context.Context, c Client, bundle []byte) error {
	return c.Put(ctx, bundleKey, bundle)
}

// WatchBundle calls see with the signed bundle, nil if there is none, as
// [Client.Watch] does. An alarm is not passed on: a bundle carries a version of
// its own, and readers take no older one.
func WatchBundle(ctx context.Context, c Client, see func(bundle []byte)) error {
	return c.Watch(ctx, bundleKey, func(v View) { see(v.Items[bundleKey]) })
}
