package aggregator

import (
	"fmt"
	"time"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/wire"
)

// upload is output of a host that is on its way here, or waits for its report.
type upload struct {
	payer payer
	size  int64
	since time.Time
}

// beginUpload begins the one upload that a session may have at a time. here: the
// blob is held already.
func (h *hub) beginUpload(id fleet.HostID, digest [32]byte, in *sessionv1.PutBlobRequest) (up upload, here bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ho := h.hosts[id]
	if ho == nil || ho.session == nil {
		return up, false, fmt.Errorf("%w: host %s has no session here; open one first", wire.ErrUnavailable, id)
	}
	if ho.uploading {
		return up, false, fmt.Errorf("%w: host %s uploads a blob already; wait for its end", wire.ErrTooMuch, id)
	}
	ho.uploading = true
	up = upload{
		payer: payer{ho, h.blobs.held.payer(in.GetClass())},
		size:  int64(in.GetSize()), // at most MaxBlob
		since: time.Now(),
	}
	if here = h.blobs.ref(digest); here {
		ho.keepUpload(digest, up)
	}
	return up, here, nil
}

func (h *hub) endUpload(up upload) {
	h.mu.Lock()
	defer h.mu.Unlock()
	up.payer.host.uploading = false
}

// room waits until there is some for an upload. It does not wait for long: the
// host's next upload may be of a class that has room, and stands behind it.
func (h *hub) room(in grpc.BidiStreamingServer[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse], up upload) error {
	patience := time.NewTimer(h.roomPatience(up.payer))
	defer patience.Stop()
	for {
		ok, freed := h.setAside(up)
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-in.Context().Done():
			return in.Context().Err()
		case <-patience.C:
			return h.noRoom(up)
		}
	}
}

// roomPatience is how long an upload may wait: an interval; but none where
// another upload of the host and class has just waited in vain.
func (h *hub) roomPatience(p payer) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(p.host.refused[p.class]) < h.cfg.HeartbeatInterval {
		return 0
	}
	return h.cfg.HeartbeatInterval
}

func (h *hub) noRoom(up upload) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ho, now := up.payer.host, time.Now()
	if now.Sub(ho.refused[up.payer.class]) >= h.cfg.HeartbeatInterval {
		if ho.refused == nil {
			ho.refused = map[string]time.Time{}
		}
		ho.refused[up.payer.class] = now
	}
	return &wire.RetryAfter{After: spread(h.cfg.HeartbeatInterval), Err: fmt.Errorf(
		"%w: outputs of the class wait for their scheduler, and there is no room for %d bytes of host %s now; come again", wire.ErrTooMuch, up.size, ho.id)}
}

// setAside takes room for an upload. For the third of a host whose report does
// not come, the first goes.
func (h *hub) setAside(up upload) (ok bool, freed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	up.payer.host.evict(up)
	return h.blobs.setAside(up.payer, up.size, up.payer.host.completes(up.payer.class))
}

// evict drops the oldest uploads that were not reported, as long as they and the
// new one are more than a host may hold of a class.
func (ho *host) evict(up upload) {
	for {
		unreported := up.size
		var oldest [32]byte
		first := up.since
		for digest, old := range ho.uploads {
			if old.payer.class != up.payer.class {
				continue
			}
			unreported += old.size
			if old.since.Before(first) {
				oldest, first = digest, old.since
			}
		}
		if unreported <= mostHostBytes || !ho.uploadDone(oldest) {
			return
		}
	}
}

// completes reports whether the host holds some outputs of a report that cannot
// go up before the others are here too.
func (ho *host) completes(class string) bool {
	for _, up := range ho.uploads {
		if up.payer.class == class {
			return true
		}
	}
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			if r.payer == class && len(r.missing) > 0 && len(r.refs) > 0 {
				return true
			}
		}
	}
	return false
}

// uploaded takes an upload that has come, or gives its room back; nil: it has
// not come.
func (h *hub) uploaded(up upload, digest [32]byte, content []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.blobs.giveBack(up.payer, up.size)
	if content == nil {
		return
	}
	h.blobs.put(digest, content, up.payer)
	up.since = time.Now()
	up.payer.host.keepUpload(digest, up)
}

// keepUpload keeps a blob, whose reference is the caller's, until its report
// comes; reports that waited for it go on.
func (ho *host) keepUpload(digest [32]byte, up upload) {
	if _, twice := ho.uploads[digest]; twice {
		ho.hub.blobs.unref(digest)
	}
	if ho.uploads == nil {
		ho.uploads = map[[32]byte]upload{}
	}
	ho.uploads[digest] = up
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			if len(r.missing) == 0 {
				continue
			}
			if r.changed(); r.collect() {
				r.route()
			}
		}
	}
}

// uploadDone ends the keeping of an upload: its report holds it now, or it goes.
// It reports whether there was one.
func (ho *host) uploadDone(digest [32]byte) bool {
	if _, kept := ho.uploads[digest]; !kept {
		return false
	}
	delete(ho.uploads, digest)
	ho.hub.blobs.unref(digest)
	return true
}
