package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/golang/snappy"

	"github.com/foreshock/foreshock"
)

// Replay decodes a request that was acknowledged once, as of when it was received, and
// hands it to another appender than live ones. Where limits have become stricter, what
// they refuse is not handed on. The metrics count what senders send, and not this.
func (r *Receiver) Replay(ctx context.Context, req foreshock.Request, to Appender) error {
	s := r.settings.Load()
	v := version(req.Version)
	if v != v1 && v != v2 {
		return fmt.Errorf("replay: unknown version %d", req.Version)
	}
	n, err := decodedLen(req.Body)
	if err == nil && n > int(s.MaxDecoded) {
		err = snappy.ErrTooLarge
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	d := s.decoders.take(ctx, netip.Addr{}, n)
	if d == nil {
		return errors.Join(foreshock.ErrOverloaded, ctx.Err())
	}
	defer func() { d.trim(); s.decoders.release(d) }()
	if err := d.decode(v, req.Body, n, req.Received+maxAhead.Milliseconds()); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if d.batch.Len() == 0 && len(d.batch.Metadata) == 0 {
		return nil
	}
	for {
		err := to.Append(ctx, &d.batch)
		if !errors.Is(err, foreshock.ErrOverloaded) || ctx.Err() != nil {
			return err
		}
	}
}
