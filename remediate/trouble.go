package remediate

import (
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/notify"
)

// tellEnd tells that a part works again, if people were told that it does not
// and nothing has told them since.
func tellEnd(tx Tx, s inventory.Scope, p notify.Part, text string, now time.Time) error {
	told, err := tx.Trouble(s, p)
	if err != nil || !told {
		return err
	}
	if err := tx.SetTrouble(s, p, false); err != nil {
		return err
	}
	return add(tx, notify.OutageEnd(s, p, text, now))
}
