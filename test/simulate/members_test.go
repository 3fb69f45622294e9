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

// The account may leave the organisation, and come back. Each daemon learns of both when it lists the
// accounts, which is internal/daemon's to do: here a daemon's fleet loses the account, and gets it again. In
// between the daemon makes no call there, and acknowledges the records of what happens there. What it knows
// stays as it was. When the account is back, the daemon goes on, and a refresh finds what is gone.

// trip has a daemon learn, now and then, that the account has left or is back; in a fifth of the plays.
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

// scopes that a daemon looks after.
func (d *daemon) scopes() []inventory.Scope {
	if d.away {
		return nil
	}
	return d.p.scopes()
}

func (d *daemon) depart() {
	d.p.say("a daemon learns that the account has left")
	d.p.happened["departures"]++
	d.runLater() // what is under way ends
	d.fleet.Leave(account)
	d.away, d.knewThen = true, d.knows()
	clear(d.watches)
}

// comeBack begins with a refresh, as the loops of a scope do.
func (d *daemon) comeBack() {
	was, is := d.knewThen, d.knows()
	for _, k := range slices.Sorted(maps.Keys(is)) {
		if is[k] != was[k] || len(is) < len(was) {
			d.p.fail("while the account was away, what is known of %s became %q; it was %q", k, is[k], was[k])
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

// knows is what the state file says of flow logs: their state and settings, and what became of the lost ones.
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

// overlook notes the deletions that a message reported to a daemon for which the account is away: by this record
// nobody receives them any more.
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
