package remediate

import (
	"context"
	"fmt"

	"flowkeeper/remediate/repeat"
)

// alertDueBursts ends the windows that are over.
func (r *Remediator) alertDueBursts(ctx context.Context, due []repeat.Burst) error {
	for _, b := range due {
		err := r.Store.Update(ctx, func(tx Tx) error { return repeat.EndWindow(tx, b.Key, r.Now()) })
		if err != nil {
			return fmt.Errorf("alert of what was repeated: %w", err)
		}
		r.AlertsAdded()
	}
	return nil
}
