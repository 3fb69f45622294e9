package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Somebody who may call CreateFlowLogs uses ClientTokens before the daemons do: those that
// anybody can make of public values, which must do no harm, and those that only the key makes,
// or the state file holds.

// tokenOf is the token of the first create for a flow log, made with a key; keyed false: as
// anybody can make it.
func tokenOf(key incident.TokenKey, scope inventory.Scope, id string, keyed bool) string {
	return key.Token(incident.Incident{Scope: scope, FlowLogID: id, Keyed: keyed})
}

// guessTokens uses up what can be guessed of the tokens for all flow logs: made without the
// key, or with an empty one.
func (p *play) guessTokens() {
	for _, f := range p.here() {
		s := scopeOf(f)
		for _, keyed := range []bool{false, true} {
			p.world.UseToken(s.Account, s.Region, tokenOf("", s, f.ID, keyed))
		}
	}
	p.happened["tokens guessed"]++
}

// useTokens uses up the tokens for some flow logs beforehand, with the key of the daemons.
func (p *play) useTokens() {
	for _, id := range p.someIDs(3) {
		s := inventory.Scope{Account: account, Region: regionOf(p.known[id].resource)}
		p.useToken(s, tokenOf(p.policy.TokenKey, s, id, true))
	}
}

// stealTokens lets somebody who reads the state file use up the tokens of the next creates.
func (p *play) stealTokens() { p.steals = 1 + p.random.IntN(3) }

func (p *play) useToken(s inventory.Scope, token string) {
	p.world.UseToken(s.Account, s.Region, token)
	p.stolen[token] = true
	p.say("  use the token %s", token[:8])
}

// stealToken uses up the token of a daemon's create that is on its way.
func (p *play) stealToken(q *fakeaws.Request) {
	if p.steals > 0 && q.Service == "ec2" && q.Operation == "CreateFlowLogs" && q.ARN == daemonUser && q.Form.Get("DryRun") != "true" {
		p.steals--
		p.useToken(inventory.Scope{Account: q.Account, Region: q.Region}, q.Form.Get("ClientToken"))
	}
}

func scopeOf(f fakeaws.FlowLog) inventory.Scope {
	return inventory.Scope{Account: account, Region: regionOf(f.ResourceID)}
}

const (
	tokenDoubt     = 15 * time.Second // after a used token, until a random one is taken
	tokenBound     = 10 * time.Second // an alert, after the first used token of an event
	nextTokenBound = 16 * time.Minute // after a further one
	calmFor        = 30 * time.Minute // without faults, after which no backoff of before holds an incident back
)

// usedToken is a token of an incident that AWS says was used otherwise, and of which people
// are to be alerted.
type usedToken struct {
	id    string
	scope inventory.Scope
	at    time.Time // to the millisecond, as alerts have it
	due   time.Time
}

// checkTokenStored is what must hold of each create: its token is on disk, so that a crash repeats the same call.
func (d *daemon) checkTokenStored(token string) {
	if d.away {
		d.p.fail("a create in an account that has left")
	}
	if !d.tokens[token] {
		d.p.fail("I4: a create with the token %s, which is not on disk", token)
	}
}

// noteStored notes that what AWS has answered until now is on disk: of a daemon and a command at the same time, that
// order counts.
func (d *daemon) noteStored() {
	for _, a := range d.unstored {
		d.answers[a[0]] = append(d.answers[a[0]], a[1])
	}
	d.unstored = nil
}

// noteAnswer is what must hold of an answer to a create: nobody who lacks the key can use its token
// up. Daemons that share a queue may ask for other tags by one token.
func (d *daemon) noteAnswer(token, code string) {
	d.unstored = append(d.unstored, [2]string{token, code})
	if code != usedByOther {
		return
	}
	d.p.happened["tokens used by others"]++
	if !d.p.stolen[token] && len(d.p.daemons) == 1 {
		d.p.fail("I4: the token %s was used, which nobody could know", token)
	}
}

// usedByOther is AWS's answer to a token that was used for another call.
const usedByOther = "IdempotentParameterMismatch"

// checkSharedToken is what must hold where AWS has said that the token of a shared call was used: the answer
// that is written makes its flow logs wait for another token, and causes an alert (expectTokenAlert);
// and another call is not noted before that wait is over.
func (p *play) checkSharedToken(d *daemon, was, is incident.Incident) {
	if p.skewed || was.Call == nil && is.Call == nil {
		return
	}
	if !is.Pending() {
		delete(d.sharedUsed, is.FlowLogID)
		return
	}
	now := p.daemonNow()
	if at, refused := d.sharedUsed[is.FlowLogID]; refused && is.Call != nil && (was.Call == nil || is.Call.Token != was.Call.Token) {
		if took := now.Sub(at); took < tokenDoubt {
			p.fail("I4: %s is in another call %s after the token of the first was used: what that made may not show yet", is.FlowLogID, took)
		}
		delete(d.sharedUsed, is.FlowLogID)
	}
	if was.Call == nil || was.Call.Final { // its answer was written before, maybe of another one that has handed the call on
		return
	}
	said := d.answers[was.Call.Token]
	answered := is.Call == nil || is.Call.Final && is.Call.At.Before(was.Call.At) // in doubt since an earlier time
	if !answered || len(said) == 0 || said[len(said)-1] != usedByOther {
		return
	}
	p.happened["shared tokens used by others"]++
	d.sharedUsed[is.FlowLogID] = now
	if !refusesToken(is) {
		p.fail("the token of a call for %s was used, and nobody is to be alerted", is.FlowLogID)
	}
}

// checkOwnToken is what must hold where AWS has said that the token of a create for one flow log was used:
// what is written of that create keeps the answer, whatever else fails.
func (p *play) checkOwnToken(d *daemon, was, is incident.Incident) {
	token := p.policy.TokenKey.Token(was)
	said := d.answers[token]
	if was.Call != nil || is.Tried <= was.Tried || len(said) == 0 {
		return
	}
	delete(d.answers, token)
	if said[len(said)-1] == usedByOther && is.Pending() && is.MismatchAt.IsZero() && is.RandomToken == was.RandomToken {
		p.fail("the token of %s was used, and that is forgotten: %s", is.FlowLogID, is.LastError)
	}
}

// noteTokens notes the tokens that were just written, and what must hold where another one
// is taken: it is looked for what the first one may have made.
func (p *play) noteTokens(d *daemon, written []incident.Incident) {
	for _, i := range written {
		d.tokens[p.policy.TokenKey.Token(i)] = true
		if i.Call != nil {
			d.tokens[i.Call.Token] = true
		}
		was := d.lastWritten[i.FlowLogID]
		d.lastWritten[i.FlowLogID] = i
		if i.Known && !was.Known {
			d.knownSince[i.FlowLogID] = d.p.daemonNow()
		}
		if i.RandomToken != "" && i.RandomToken != was.RandomToken {
			p.happened["random tokens"]++
			if took := p.daemonNow().Sub(was.MismatchAt); !was.MismatchAt.IsZero() && took < tokenDoubt && !p.skewed {
				p.fail("I4: %s has another token %s after the first was used: what that made may not show yet", i.FlowLogID, took)
			}
		}
		p.checkSharedToken(d, was, i)
		p.checkOwnToken(d, was, i)
		p.expectTokenAlert(d, was, i)
		p.checkWaited(was, i)
	}
}

// refusesToken reports whether AWS has said that an incident's token was used otherwise, and it is
// not back since.
func refusesToken(i incident.Incident) bool {
	blocked := i.State == incident.Blocked && i.Reason == incident.TokenUsed
	return i.Pending() && (blocked || i.State == incident.Open && !i.MismatchAt.IsZero())
}

// expectTokenAlert notes that an alert is due, or is not any more: the flow log was back, or blocked
// for another reason, before that. A step alerts of what is due when it begins, so it may itself bring
// a flow log back a moment after its alert became due; beside a long step, another loop of the daemon
// alerts, which the simulation does not run.
func (p *play) expectTokenAlert(d *daemon, was, is incident.Incident) {
	now := p.daemonNow()
	switch {
	case refusesToken(is) && !refusesToken(was):
		bound := tokenBound
		if d.tokenEvents[is.EventID] {
			bound = nextTokenBound
		}
		d.tokenEvents[is.EventID] = true
		d.usedTokens = append(d.usedTokens, usedToken{is.FlowLogID, is.Scope, now.Truncate(time.Millisecond), now.Add(bound)})
	case refusesToken(was) && !refusesToken(is):
		d.usedTokens = slices.DeleteFunc(d.usedTokens, func(u usedToken) bool {
			return u.id == is.FlowLogID && (d.stepSince.Before(u.due) || is.State != incident.Restored)
		})
	}
}

// checkTokensAlerted: a used token is alerted soon, though the flow log may be back by then.
func (p *play) checkTokensAlerted(d *daemon, s inventory.Scope, at time.Time) {
	d.usedTokens = slices.DeleteFunc(d.usedTokens, func(u usedToken) bool {
		_, released := p.releases[u.id]
		if u.scope != s {
			return false
		}
		if released || p.blamedOnJanitor[u.id] || p.decoys[u.id] || p.inOthersPlace[u.id] || p.toAttacker[u.id] {
			return true // it may stay away
		}
		alerted := false
		d.commits.alertsNaming(u.id, func(a alert.Alert) bool {
			for _, f := range a.FlowLogs {
				says := a.Kind == alert.Blocked || a.Kind == alert.Deletion // whose record came meanwhile
				alerted = alerted || says && f.FlowLogID == u.id && f.Reason == string(incident.TokenUsed) && !a.Time.Before(u.at)
			}
			return !alerted // a later alert may have an earlier time: of a message that was begun before
		})
		if alerted {
			p.happened["used tokens alerted"]++
		} else if !at.Before(u.due) {
			p.fail("%s after the token of %s was used, there is no alert", at.Sub(u.at), u.id)
		}
		return alerted
	})
}

// checkTokenTaken: an incident looks for so long, and not longer, whether a used token has made
// something.
func (p *play) checkTokenTaken(d *daemon, i incident.Incident, at time.Time) {
	if !refusesToken(i) || i.RandomToken != "" || i.MismatchAt.IsZero() || at.Before(i.MismatchAt.Add(tokenDoubt)) || at.Before(i.WaitUntil) || at.Sub(p.disturbed) < calmFor {
		return
	}
	key := i.FlowLogID + i.MismatchAt.String()
	first, seen := d.couldTake[key]
	if !seen {
		d.couldTake[key] = at
	} else if at.Sub(first) >= 2*time.Second {
		p.fail("%s after its token was used, %s has no other one: next at %s, after %d tries: %s", at.Sub(i.MismatchAt), i.FlowLogID, i.NextAttemptAt.Format(time.TimeOnly), i.Tried, i.LastError)
	}
}
