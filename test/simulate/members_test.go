package simulate

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"flowkeeper/internal/detection"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/watcher"
)

// The account may leave the organisation, and come back. A daemon learns that when it lists the accounts, which
// internal/daemon does: the simulation removes the account from a daemon's fleet, and adds it again. In between the daemon
// makes no call there, acknowledges the records from there, and its snapshot of the account stays as it was. When the
// account is back, the daemon goes on, and a refresh finds the losses.

// trip lets a daemon learn that the account has left or is back, now and then, in a fifth of the plays.
func (p *play) trip() {
	if p.trips == nil || p.trips.IntN(60) > 0 {
		return
	}
	d := p.daemons[p.trips.IntN(len(p.daemons))]
	if d.alive(); d.away {
		d.comeBack()
	} else {
		d.depart()
	}
}

// scopes are the scopes that a daemon protects now.
func (d *daemon) scopes() []inventory.Scope {
	if d.away {
		return nil
	}
	return d.p.scopes()
}

func (d *daemon) depart() {
	d.p.say("a daemon learns that the account has left")
	d.p.happened["departures"]++
	d.runLater() // background tasks that have begun still end
	d.fleet.Leave(account)
	d.away, d.knewThen = true, d.knows()
	clear(d.watches)
}

// comeBack lets the daemon learn that the account is back. The daemon begins with a refresh, as the loops of a
// scope do.
func (d *daemon) comeBack() {
	was, is := d.knewThen, d.knows()
	for _, k := range slices.Sorted(maps.Keys(is)) {
		if is[k] != was[k] || len(is) < len(was) {
			d.p.fail("while the account was away, the state file's entry of %s became %q; it was %q", k, is[k], was[k])
		}
	}
	d.p.say("a daemon learns that the account is back")
	_, err := d.fleet.Join(context.Background(), []scopes.Account{{ID: account}})
	d.p.must(err)
	d.away = false
	for _, s := range d.scopes() {
		d.refresh(s)
	}
}

// knows is what the state file says: the state and settings of each flow log, and the state of each incident.
func (d *daemon) knows() map[string]string {
	out := map[string]string{}
	for _, s := range d.p.scopes() {
		for id, row := range d.rows(s) {
			out[id] = fmt.Sprintf("%s %x", row.state, row.digest)
		}
	}
	d.p.must(d.store.FindIncidents(context.Background(), store.Filter{}, func(i incident.Incident) error {
		out["lost "+i.FlowLogID] = fmt.Sprint(i.State, " ", i.Reason, " ", i.NewID, " ", i.EventID)
		return nil
	}))
	return out
}

// overlook notes the deletions in a message that reached a daemon while the account was away from it: the daemon
// acknowledged these records and did nothing.
func (p *play) overlook(m watcher.Message) {
	for _, f := range detection.Findings(m.Records) {
		for _, id := range p.deleted[f.Record.EventID] {
			if slices.Contains(f.Deleted, id) {
				p.overlooked[f.Record.EventID+id] = true
				p.noteUnrecorded(id)
			}
		}
	}
}
