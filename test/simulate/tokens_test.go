package simulate

import (
	"slices"
	"time"

	"flowkeeper/alert"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// Somebody who may call CreateFlowLogs uses ClientTokens before the daemons do. Tokens that anybody can compute from public
// values must do no harm. Other tokens can only be computed with the token key, or read from the state file: then the
// daemons must notice, alert, and take a random token.

// tokenOf is the token of the first create for a flow log. keyed: of an incident that was opened when there was a
// key.
func tokenOf(key incident.TokenKey, scope inventory.Scope, id string, keyed bool) string {
	return key.Token(incident.Incident{Scope: scope, FlowLogID: id, Keyed: keyed})
}

// guessTokens uses up the tokens for all flow logs that somebody without the key can compute: as if there were no
// key, and with an empty key.
func (p *play) guessTokens() {
	for _, f := range p.here() {
		s := scopeOf(f)
		for _, keyed := range []bool{false, true} {
			p.world.UseToken(s.Account, s.Region, tokenOf("", s, f.ID, keyed))
		}
	}
	p.happened["tokens guessed"]++
}

// useTokens uses up the tokens for some flow logs before they are lost. The daemons' key is known to who does that.
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

// stealToken uses up the token of a daemon's create just before AWS gets that create.
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
	tokenDoubt     = 15 * time.Second // from AWS's answer that a token was used until a random one is taken
	tokenBound     = 10 * time.Second // from the first used token of an event to its alert
	nextTokenBound = 16 * time.Minute // from a further used token of an event to its alert
	calmFor        = 30 * time.Minute // without faults, after which no earlier backoff delays an incident
)

// usedToken is a token of an incident that was used for another call, as AWS says. An alert must say so.
type usedToken struct {
	id    string
	scope inventory.Scope
	at    time.Time // to the millisecond, as alerts have it
	due   time.Time
}

// checkTokenStored checks each create before AWS gets it: its token is on disk, so that the daemon repeats the same
// call after a crash (I4).
func (d *daemon) checkTokenStored(token string) {
	if d.away {
		d.p.fail("a create in an account that has left")
	}
	if !d.tokens[token] {
		d.p.fail("I4: a create with the token %s, which is not on disk", token)
	}
}

// noteStored notes that a commit has brought AWS's answers so far to disk. If a daemon and a command work on one
// state file, the order of their commits counts, not that of the answers.
func (d *daemon) noteStored() {
	for _, a := range d.unstored {
		d.answers[a[0]] = append(d.answers[a[0]], a[1])
	}
	d.unstored = nil
}

// noteAnswer notes AWS's answer to a create, and checks that nobody who lacks the key has used up its token. With
// several daemons the token may be used by another one, for a call with other tags.
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

// checkSharedToken checks what is written after AWS has said that the token of a shared call was used: each of its
// flow logs waits for another token and causes an alert (expectTokenAlert), and no other call is written before
// that wait is over.
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
			p.fail("I4: %s is in another call %s after the token of the first was used: AWS may not show yet what the first one made", is.FlowLogID, took)
		}
		delete(d.sharedUsed, is.FlowLogID)
	}
	if was.Call == nil || was.Call.Final { // the answer was written before, maybe to the incident that handed on its call
		return
	}
	said := d.answers[was.Call.Token]
	answered := is.Call == nil || is.Call.Final && is.Call.At.Before(was.Call.At) // the call that is in doubt is an older one
	if !answered || len(said) == 0 || said[len(said)-1] != usedByOther {
		return
	}
	p.happened["shared tokens used by others"]++
	d.sharedUsed[is.FlowLogID] = now
	if !refusesToken(is) {
		p.fail("the token of a call for %s was used, and no alert will say so", is.FlowLogID)
	}
}

// checkOwnToken checks what is written after AWS has said that the token of a create for one flow log was used: the
// incident keeps that answer, even if something else fails.
func (p *play) checkOwnToken(d *daemon, was, is incident.Incident) {
	token := p.policy.TokenKey.Token(was)
	said := d.answers[token]
	if was.Call != nil || is.Tried <= was.Tried || len(said) == 0 {
		return
	}
	delete(d.answers, token)
	if said[len(said)-1] == usedByOther && is.Pending() && is.MismatchAt.IsZero() && is.RandomToken == was.RandomToken {
		p.fail("the token of %s was used, and its incident does not keep that answer: %s", is.FlowLogID, is.LastError)
	}
}

// noteTokens notes the tokens that were just written. A random token must not be taken before the incident has
// waited for a flow log that the first token may have made.
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
				p.fail("I4: %s has another token %s after the first was used: AWS may not show yet what the first one made", i.FlowLogID, took)
			}
		}
		p.checkSharedToken(d, was, i)
		p.checkOwnToken(d, was, i)
		p.expectTokenAlert(d, was, i)
		p.checkWaited(was, i)
	}
}

// refusesToken reports whether an incident is not restored because AWS says that its token was used for another
// call.
func refusesToken(i incident.Incident) bool {
	blocked := i.State == incident.Blocked && i.Reason == incident.TokenUsed
	return i.Pending() && (blocked || i.State == incident.Open && !i.MismatchAt.IsZero())
}

// expectTokenAlert notes that the alert of a used token is due at some time; or that it is not due any more,
// because before that time the flow log was back, or blocked for another reason. A step adds the alerts that are
// due when it begins. So it may restore a flow log itself a moment after the alert became due: during a long step
// another loop of the daemon adds alerts, which the simulation does not run.
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

// checkTokensAlerted checks that each used token has its alert in time, even if the flow log is back by then.
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
				says := a.Kind == alert.Blocked || a.Kind == alert.Deletion // the alert of the deletion says it, if the record came meanwhile
				alerted = alerted || says && f.FlowLogID == u.id && f.Reason == string(incident.TokenUsed) && !a.Time.Before(u.at)
			}
			return !alerted // no break at the first: a later alert may have an earlier time, if its message was begun earlier
		})
		if alerted {
			p.happened["used tokens alerted"]++
		} else if !at.Before(u.due) {
			p.fail("%s after the token of %s was used, there is no alert", at.Sub(u.at), u.id)
		}
		return alerted
	})
}

// checkTokenTaken checks that an incident takes a random token soon after tokenDoubt: until then it looks for what
// the used token made.
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
