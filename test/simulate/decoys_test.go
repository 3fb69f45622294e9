package simulate

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/remediate/incident"
)

// decoyed are the places where a decoy is or was.
func (p *play) decoyed() map[place]bool {
	out := map[place]bool{}
	for id := range p.decoys {
		out[p.known[id].place] = true
	}
	return out
}

// free are the wanted targets where no flow log is, and where AWS allows one.
func (p *play) free() (out []target) {
	count, taken := map[target]int{}, map[place]bool{}
	for _, f := range p.here() {
		count[targetOf(f)]++
		taken[targetOf(f).place] = true
	}
	return slices.DeleteFunc(p.absent(count), func(t target) bool { return !p.allowsDoubles && taken[t.place] })
}

// decoy makes a flow log that records less in the place of a lost one. It makes none where a daemon could not know
// that:
//   - a daemon never saw the lost one
//   - a rule lets it go, or its loss may be a replacement
//   - a daemon may take its deletion for released, and so the decoy for a flow log like any other. With several daemons:
//     it was ever released. With one: its incident was closed as released, or its loss is not noticed yet
//   - the clock has leapt: only times tell whether the decoy was there before the loss
//
// Where AWS allows both, the lost one comes back, and the decoy may be protected from then on: see mayProtect.
func (p *play) decoy() {
	if p.leapt {
		return
	}
	excluded := map[target]bool{}
	for id := range p.blamedOnJanitor {
		excluded[p.known[id]] = true
	}
	for id := range p.releases {
		i, noticed := p.daemons[0].lastWritten[id]
		if len(p.daemons) > 1 || !noticed || i.State == incident.Closed && i.Reason == incident.Released {
			excluded[p.known[id]] = true
		}
	}
	for id, by := range p.deleters { // a flow log that was perhaps replaced may stay away
		if slices.ContainsFunc(by, func(l act) bool { return l.by == robot || l.by == terraform }) {
			excluded[p.known[id]] = true
		}
	}
	here := map[place]bool{}
	for _, f := range p.here() {
		here[targetOf(f).place] = true
	}
	all := slices.DeleteFunc(p.free(), func(t target) bool {
		return here[t.place] || p.shared(t) || len(p.shown[t]) < len(p.daemons) || p.released[t] || excluded[t] || !p.allKnow(t)
	})
	if len(all) > 0 {
		f := p.wanted[all[p.random.IntN(len(all))]]
		f.TrafficType, f.CreatedAt, f.Tags = "REJECT", p.now, maps.Clone(f.Tags)
		if p.random.IntN(3) == 0 {
			f.Tags[incident.TelemetryTag] = "true" // anybody can set that tag
		}
		f.ID = p.add(f)
		p.decoys[f.ID] = true
		p.happened["decoys"]++
		if p.allowsDoubles {
			p.happened["decoys that AWS allows"]++
		}
		p.say("  decoy %s at %v", f.ID, targetOf(f))
	}
}

// allKnow reports whether every daemon's snapshot has the last flow log at a target.
func (p *play) allKnow(t target) bool {
	last := ""
	for id, at := range p.known {
		if at == t && !p.decoys[id] {
			last = max(last, id)
		}
	}
	return !slices.ContainsFunc(p.daemons, func(d *daemon) bool { return !d.knew(last) })
}

// equivalent puts a lost flow log back, as Terraform does. Where AWS allows doubles nobody does that, because a
// daemon might do it at the same moment.
func (p *play) equivalent() {
	if all := p.free(); len(all) > 0 && p.guardsDoubles() {
		f := p.wanted[all[p.random.IntN(len(all))]]
		f.CreatedAt = p.now
		id := p.add(f)
		p.inOthersPlace[id] = p.shared(targetOf(f))
		p.say("  equivalent %s at %v", id, targetOf(f))
	}
}

func (p *play) removeDecoys() {
	for id := range p.decoys {
		p.world.Remove(account, regionOf(p.known[id].resource), id)
	}
}

// notePairs notes the decoys that are there together with the flow log whose place they took.
func (p *play) notePairs() {
	wanted := map[place]bool{}
	for _, f := range p.here() {
		if _, ok := p.wanted[targetOf(f)]; ok {
			wanted[targetOf(f).place] = true
		}
	}
	for _, f := range p.here() {
		if p.decoys[f.ID] && wanted[targetOf(f).place] && !p.paired[targetOf(f)] {
			p.paired[targetOf(f)] = true
			p.happened["decoys beside the flow log that is back"]++
		}
	}
}

// mayProtect reports whether a flow log is like a decoy that AWS has shown together with the lost one: a daemon may
// protect that decoy then, and restore it. The restored one counts as a decoy, too.
func (p *play) mayProtect(f fakeaws.FlowLog) bool {
	if !p.paired[targetOf(f)] {
		return false
	}
	p.decoys[f.ID] = true
	p.happened["decoys restored that AWS allows"]++
	return true
}

// guardsDoubles reports whether AWS refuses doubles. Then another principal may put a flow log back while a daemon
// does.
func (p *play) guardsDoubles() bool { return !p.allowsDoubles }

// noteUnprotected notes the flow logs that a daemon leaves unprotected because they count as decoys, and whose
// alert is no longer pending.
func (d *daemon) noteUnprotected() {
	rows, err := d.reader.Query(`SELECT id FROM flow_logs WHERE decoy = 0 AND state = 'live'`)
	d.p.must(err)
	defer rows.Close()
	for rows.Next() {
		var id string
		d.p.must(rows.Scan(&id))
		if !d.unprotected[id] {
			d.p.happened["flow logs left unprotected"]++
		}
		d.unprotected[id] = true
	}
	d.p.must(rows.Err())
}

// noteNamed notes each flow log that an alert names, if the alert is of a kind that reports decoys.
func (d *daemon) noteNamed(a alert.Alert) {
	if a.Kind != alert.Tamper && a.Kind != alert.Decoy && a.Kind != alert.Blocked {
		return
	}
	text, err := json.Marshal(a)
	d.p.must(err)
	for _, id := range flowLogID.FindAllString(string(text), -1) {
		d.named[id] = true
	}
}

var flowLogID = regexp.MustCompile(`fl-[0-9a-f]+`)

// checkUnprotected checks at the end that an alert has named each flow log that was left unprotected, and that no
// such alert is late (I9).
func (p *play) checkUnprotected() {
	for _, d := range p.daemons {
		for id := range d.unprotected {
			if !d.named[id] {
				p.fail("I9: %s was left unprotected, and no alert names it", id)
			}
		}
		var late int
		p.must(d.reader.QueryRow(`SELECT count(*) FROM flow_logs WHERE decoy > 0 AND decoy < ?`, p.now.Add(-time.Hour).UnixMilli()).Scan(&late))
		if late > 0 {
			p.fail("I9: alerts of %d flow logs left unprotected are late by more than an hour", late)
		}
	}
}
