package tamper

import (
	"fmt"
	"slices"

	"flowkeeper/alert"
	"flowkeeper/internal/cloudtrail"
	"flowkeeper/inventory"
	"flowkeeper/remediate/delivery"
	"flowkeeper/remediate/notify"
)

// mostListed is how many flow logs an alert about tampering lists: it says
// how many there are, and the snapshot has them all.
const mostListed = 50

// mostLost bounds how many flow logs that are to come back are looked at.
const mostLost = 1000

// Impact is what a thing is to the flow logs of the snapshot, to those that
// are to come back, and to Flowkeeper itself.
type Impact struct {
	Uses     []string        // "the destination of 3 flow logs"; empty: nothing here depends on it
	FlowLogs []alert.FlowLog // the first of them
	all      int
}

// Threatened says what depends on a target, as TargetOf names it.
func Threatened(tx Tx, target string, beside []Dependency) (t Impact, err error) {
	thing := delivery.KeyOf(target)
	all, err := tx.Usages(thing)
	if err != nil {
		return t, err
	}
	counts, scopes := map[string]int{}, map[inventory.Scope]bool{}
	for _, d := range all {
		counts[d.Target.Use(thing)] += d.Live
		if err := t.addLive(tx, d); err != nil {
			return t, err
		}
		if scopes[d.Scope] {
			continue
		}
		scopes[d.Scope] = true
		if err := t.addLost(tx, d.Scope, thing, counts); err != nil {
			return t, err
		}
	}
	for _, use := range []string{delivery.DestinationUse, delivery.RoleUse, delivery.CrossRoleUse} {
		if n := counts[use]; n > 0 {
			t.Uses = append(t.Uses, fmt.Sprintf("%s of %s", use, alert.Plural(n, "flow log")))
		}
	}
	for _, d := range beside {
		if d.covers(target) && !slices.Contains(t.Uses, d.As) {
			t.Uses = append(t.Uses, d.As)
		}
	}
	return t, nil
}

func (t *Impact) addLive(tx Tx, d Usage) error {
	t.all += d.Live
	if len(t.FlowLogs) >= mostListed {
		return nil
	}
	rows, err := tx.LiveWith(d.Scope, d.Target, mostListed-len(t.FlowLogs))
	for _, row := range rows {
		t.FlowLogs = append(t.FlowLogs, notify.FlowLog(row.Scope, row.ID, row.RootID, row.Settings))
	}
	return err
}

// addLost adds what is to come back to there.
func (t *Impact) addLost(tx Tx, s inventory.Scope, thing delivery.ResourceKey, counts map[string]int) error {
	lost, err := tx.Lost(s, mostLost)
	if err != nil {
		return err
	}
	for _, i := range lost {
		needs := delivery.TargetOf(inventory.FlowLog{Scope: i.Scope, Settings: i.Frozen})
		if !slices.Contains(needs.Keys(), thing) {
			continue
		}
		t.all++
		counts[needs.Use(thing)]++
		if len(t.FlowLogs) < mostListed {
			x := notify.FlowLog(i.Scope, i.FlowLogID, i.RootID, i.Frozen)
			x.State = string(i.State)
			t.FlowLogs = append(t.FlowLogs, x)
		}
	}
	return nil
}

// ImpactOf says what depends on what a call changes; where its record does not
// state that, what may depend on it: see Unstated.
func ImpactOf(tx Tx, r cloudtrail.Record, beside []Dependency) (Impact, error) {
	if target := TargetOf(r); target != "" {
		return Threatened(tx, target, beside)
	}
	return unstated(tx, r, beside)
}
