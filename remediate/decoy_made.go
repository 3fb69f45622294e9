package remediate

import (
	"flowkeeper/internal/detection"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/repeat"
)

// alertDecoyMade adds the alert that a flow log is a decoy, and who created it, once the record of its
// creation has come. If it is no decoy, there is no alert: see [notify.DecoyMade].
func alertDecoyMade(tx scopeTx, f detection.Finding, c *incident.Case, id string) error {
	a, due := notify.DecoyMade(f, c, id)
	if !due {
		return nil
	}
	call := repeat.CallOf(repeat.Tampering, f, a, 0, true)
	call.What, call.Example.Target = f.Record.EventName+" "+id, id
	atOnce, err := repeat.AlertOrHold(tx, a, call, tx.now)
	if atOnce {
		c.Rows().DecoyAlerted(id)
	}
	return err
}
