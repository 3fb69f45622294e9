package remediate

import (
	"flowkeeper/alert"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/notify"
	"flowkeeper/remediate/trust"
)

// load loads the case of some flow logs, with all that decisions need: the policy, random
// bytes, and, if an incident is new or waits for a replacement, since when destinations are
// known.
func (tx scopeTx) load(of incident.Selection) (*incident.Case, error) {
	c, err := tx.Case(tx.scope, of, tx.now)
	if err != nil {
		return nil, err
	}
	c.Policy, c.Random, c.StartedAt = tx.policy, tx.random(), tx.startedAt
	return c, trust.LoadKnown(tx, c, of.IDs)
}

// changeCase loads the case of some flow logs, calls do to change it, and saves it.
func (tx scopeTx) changeCase(of incident.Selection, do func(*incident.Case) error) error {
	c, err := tx.load(of)
	if err != nil {
		return err
	}
	if err := do(c); err != nil {
		return err
	}
	return tx.save(c)
}

// changeEach is changeCase, with a call of do for each flow log.
func (tx scopeTx) changeEach(ids []string, do func(*incident.Case, string)) error {
	if len(ids) == 0 {
		return nil
	}
	return tx.changeCase(incident.Selection{IDs: ids}, func(c *incident.Case) error {
		for _, id := range ids {
			do(c, id)
		}
		return nil
	})
}

// save saves a case, and writes what its notes mean for events. SaveCase alone is for a case
// without notes.
func (tx scopeTx) save(c *incident.Case) error {
	if err := tx.SaveCase(c); err != nil {
		return err
	}
	for _, n := range c.Effects.Notes {
		if err := tx.apply(n); err != nil {
			return err
		}
	}
	return nil
}

// apply writes what a note means for its event.
func (tx scopeTx) apply(n incident.Note) error {
	e, found, err := tx.event(n.Incident.EventID)
	if err != nil {
		return err
	}
	after, err := notify.AfterNote(e, found, n, tx.policy, tx.now)
	if err != nil {
		return err
	}
	if after.HeldDue {
		return tx.alertHeld(after.Event)
	}
	if after.Changed {
		if err := tx.PutEvent(after.Event); err != nil {
			return err
		}
	}
	if after.Alert == nil {
		return nil
	}
	return after.Alert.AddTo(tx)
}

// facts are what an alert says about a call that deleted flow logs, or tried to: who made it, and
// whether it leaves a VPC without a protected flow log.
func (tx scopeTx) facts(a *alert.Actor, logs []alert.FlowLog) ([]string, error) {
	var of incident.Selection
	for _, f := range logs {
		of.Resources = append(of.Resources, f.ResourceID)
	}
	c, err := tx.Case(tx.scope, of, tx.now)
	if err != nil {
		return nil, err
	}
	return notify.DeletionFacts(tx.policy, c, a, logs), nil
}

func idsOf(incidents []incident.Incident) (ids []string) {
	for _, i := range incidents {
		ids = append(ids, i.FlowLogID)
	}
	return ids
}
