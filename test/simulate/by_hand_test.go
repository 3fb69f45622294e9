package simulate

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert/alerttest"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/scopes"
	"flowkeeper/internal/store"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
	"flowkeeper/remediate/incident"
)

// People restore by hand, too: with `flowkeeper restore`, a process of its own that opens the state file of a daemon, or
// with their own CreateFlowLogs calls. Both happen between the calls of a daemon and in the middle of its steps. A command
// may be killed like a daemon. While a command runs, daemons work, and attackers delete.

// restoresByHand reports whether people restore by hand in a play. No golden play has that.
func restoresByHand(seed uint64) bool { return seed > goldens && seed%7 < 3 }

// byHand restores a flow log by hand, now and then.
func (p *play) byHand() {
	if p.hands != nil && p.hands.IntN(10) == 0 {
		p.command(p.anyDaemon())
	}
}

// amid lets the time of a daemon's call pass, and now and then lets people do something in that moment.
func (p *play) amid() {
	p.tick()
	if p.hands == nil || p.commanding || p.hands.IntN(200) > 0 {
		return
	}
	p.amidst = true
	defer func() { p.amidst = false }()
	if p.hands.IntN(2) == 0 {
		p.createByHand()
	} else if d := p.daemons[p.hands.IntN(len(p.daemons))]; !d.dead {
		p.command(d)
	}
}

// command runs `flowkeeper restore` on the state file of a daemon.
func (p *play) command(d *daemon) {
	id := p.pickForCommand(d)
	if id == "" || d.away {
		return
	}
	p.commanding = true
	defer func() { p.commanding = false }()
	c := newCommand(d)
	defer func() {
		c.cancel()
		p.must(c.store.Close())
	}()
	if p.hands.IntN(3) == 0 {
		c.edgesLeft = p.hands.IntN(25)
	}
	p.say("restore %s by hand", id)
	s := inventory.Scope{Account: account, Region: regionOf(p.known[id].resource)}
	last, err := c.planned(s, id)
	if err != nil {
		p.happened["restores by hand of what was never seen"]++
		p.say("  %v", err)
		return
	}
	p.askedByHand[p.known[id]] = true
	i, alive, err := c.remediator.RestoreByHand(c.ctx, s, last.FlowLogID)
	if !errors.Is(err, incident.ErrYoung) {
		p.expected(c, err)
	}
	switch {
	case c.dead:
		p.happened["restores by hand that died"]++
		p.say("  the command died")
	case errors.Is(err, incident.ErrYoung):
		p.happened["restores by hand of what may be alive"]++
		p.say("  %v", err)
	case err != nil:
		p.happened["restores by hand that failed"]++
		p.say("  %v", err)
	case alive:
		p.happened["restores by hand of what is alive"]++
		p.say("  %s is alive", last.FlowLogID)
	default:
		p.happened["restores by hand"]++
		p.say("  %s is %s %s %s", i.FlowLogID, i.State, i.Reason, i.NewID)
	}
	p.check() // so that p.known has the flow log that the command made
}

// pickForCommand picks the flow log that a person restores: mostly one that was lost lately, or that of the last
// command. Nobody restores a decoy.
func (p *play) pickForCommand(d *daemon) (id string) {
	var ids []string
	switch p.hands.IntN(8) {
	case 0:
		if !p.decoys[p.lastMeant] {
			return p.lastMeant
		}
	case 1, 2:
		ids = slices.Collect(maps.Keys(p.known))
	case 3, 4: // flow logs that are back, but not verified yet
		for _, i := range d.unsettled() {
			if i.State == incident.Restored {
				ids = append(ids, i.FlowLogID)
			}
		}
	default:
		for _, i := range d.unsettled() {
			ids = append(ids, i.FlowLogID)
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		at, ok := p.known[id]
		return !ok || p.decoys[id] || p.paired[at]
	})
	if slices.Sort(ids); len(ids) > 0 {
		p.lastMeant = ids[p.hands.IntN(len(ids))]
		return p.lastMeant
	}
	return ""
}

// newCommand is the process of a command. It shares the state file with a daemon, and nothing else. What it brings
// to disk counts as the daemon's.
func newCommand(d *daemon) *daemon {
	p := d.p
	c := &daemon{p: p, path: d.path, commits: d.commits}
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	c.mortal = &mortal{edgesLeft: -1, cancel: cancel, tick: p.meanwhile}
	st, err := store.Open(ctx, c.path, store.Options{Now: p.daemonNow, Routes: alerttest.To{"pager"}})
	p.must(err)
	c.store = st
	c.keys = aws.NewCredentialsCache(aws.CredentialsProviderFunc(c.credentials))
	c.fleet = scopes.NewFleet(c.base(), p.regions, slog.New(slog.DiscardHandler))
	p.must(c.fleet.Connect(ctx, []scopes.Account{{ID: account}}))
	mem := mortalStore{st, c.mortal, c}
	c.remediator = &remediate.Remediator{
		Store:    partStore[remediate.Tx]{mem, st.Remediation(), func(tx remediate.Tx, w *writes) remediate.Tx { return remediateTx{tx, w} }},
		News:     partStore[remediate.NewsTx]{mem, st.News(), func(tx remediate.NewsTx, w *writes) remediate.NewsTx { return newsTx{tx, w} }},
		Snapshot: mem, Fleet: c.fleet, Policy: p.policy, Now: p.daemonNow, Log: p.log, Senders: environment{c},
		Parallel: p.inRandomOrder, Pause: c.pauses, Rand: p.random.Float64, Random: p.token,
	}
	return c
}

// planned is the incident of the restore that the command plans, before it asks AWS for anything.
func (d *daemon) planned(s inventory.Scope, id string) (incident.Incident, error) {
	return remediate.PlanByHand(d.ctx, d.store.Remediation(), s, id, d.p.daemonNow())
}

// ofRequest reports whether an event began with a restore by hand. Its loss has no alert, because the person knew
// of it, but its end has one.
func ofRequest(eventID string) bool { return strings.HasPrefix(eventID, "by-hand-") }

// pauses lets a command's pause pass.
func (d *daemon) pauses(_ context.Context, pause time.Duration) bool {
	d.p.pass(max(0, pause))
	d.p.meanwhile()
	return !d.dead
}

// meanwhile lets something happen while a command waits for a call or a pause. If the command itself runs in the
// middle of a daemon's step, no daemon begins anything.
func (p *play) meanwhile() {
	p.tick()
	if p.hands.IntN(4) > 0 {
		return
	}
	d := p.daemons[p.hands.IntN(len(p.daemons))]
	what := p.hands.IntN(8)
	if d.dead || p.amidst && what < 5 {
		return
	}
	p.check() // so that p.known has what daemons have just made, before somebody deletes it
	switch what {
	case 0, 1, 2:
		d.step(p.anyScope())
	case 3:
		d.receive()
	case 4:
		d.refresh(p.anyScope())
	case 5:
		p.send(false)
	case 6:
		p.deleteSome(p.attacker, 1)
	case 7:
		p.createByHand()
	}
	p.check()
}

// createByHand calls CreateFlowLogs for a lost flow log, as a person does who does not know the command. Where AWS
// allows doubles nobody does it, because Flowkeeper would make one, too.
func (p *play) createByHand() {
	all := p.free()
	if len(all) == 0 || p.allowsDoubles {
		return
	}
	f := p.wanted[all[p.hands.IntN(len(all))]]
	out, err := p.operator.CreateFlowLogs(context.Background(), p.callFor(f), in(regionOf(f.ResourceID)))
	if err != nil || len(out.FlowLogIds) == 0 {
		p.say("somebody is refused to create %v: %v", targetOf(f), err)
		return
	}
	f.CreatedAt, f.ID = p.now, ""
	id := out.FlowLogIds[0]
	p.isThere(id, f)
	p.inOthersPlace[id] = p.shared(targetOf(f))
	p.happened["flow logs created by hand"]++
	p.say("somebody creates %s at %v", id, targetOf(f))
}

// mayBeByHand reports whether a daemon made a flow log because somebody restored the attacker's flow log there by
// hand. The new one counts as the attacker's, too: it is not protected.
func (p *play) mayBeByHand(f fakeaws.FlowLog) bool {
	t := targetOf(f)
	if !p.askedByHand[t] {
		return false
	}
	for id, at := range p.known {
		if at == t && p.toAttacker[id] {
			p.toAttacker[f.ID] = true
			return true
		}
	}
	return false
}
