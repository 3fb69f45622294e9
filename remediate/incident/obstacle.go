package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// obstacle is what blocks an incident: a person must remove it. AWS's answer to a call names it (answerObstacle,
// tokenObstacle), or the observation after that answer shows it (decoyObstacle). block applies it to the incident.
type obstacle struct {
	Stuck  // what the alert says of it
	reason Reason
}

// block blocks an incident, and notes once for each reason that a person is needed.
func (o obstacle) block(t *transition) {
	if t.State == Open {
		t.Attempts = 0
	}
	o.blockUntil(t, t.c.Now.Add(blockedAttempts.Pause(t.Attempts)))
}

// blockUntil is block with a given time of the next attempt.
func (o obstacle) blockUntil(t *transition, next time.Time) {
	t.NextAttemptAt = next
	if t.State == Restored { // only an observation was refused: the flow log is there
		t.put()
		return
	}
	notAlerted := t.Reason != o.reason || t.StuckAlertedAt.IsZero() && !t.StuckNews
	t.State, t.Reason, t.Advice, t.LastError = Blocked, o.reason, o.Advice, o.Message
	if notAlerted {
		t.noteStuck(o.Stuck)
	}
	t.putWithHistory(o.Message)
}

// noteStuck notes the reason that keeps the flow log from coming back, for an alert.
func (t *transition) noteStuck(why Stuck) {
	t.Stuck, t.StuckNews = &why, true
	t.c.Effects.note(NoteStuck, t.Incident)
}

// answerObstacle is what AWS names when it refuses a call.
func answerObstacle(a Answer) obstacle {
	o := obstacle{Stuck{Kind: alert.Blocked, Message: a.Message, Advice: a.Advice}, a.Reason}
	if a.Class == TagRefused {
		o.reason = Invalid
	}
	return o
}

// tokenObstacle is that somebody used the ClientToken before.
func tokenObstacle(a Answer) obstacle {
	const advice = "somebody used Flowkeeper's ClientToken for another call before: Flowkeeper looks for what that may have made, and then takes a random one. " +
		"Find out in CloudTrail who called CreateFlowLogs, and who can read the key of the tokens (the state file, its copies, remediate.token_key)"
	return obstacle{Stuck{Kind: alert.Blocked, Message: a.Message, Advice: advice}, TokenUsed}
}

// decoyObstacle is another flow log because of which AWS refuses the create: a decoy, or one of
// CloudWatch's telemetry rules. mayBeOlder: it may have been there before the loss. isProtected: if
// it is deleted, Flowkeeper restores it, and before the lost one.
func decoyObstacle(i Incident, decoy Other, mayBeOlder, isProtected bool) obstacle {
	o := obstacle{Stuck{Kind: alert.Decoy,
		Message:     decoy.ID + " is in the way",
		Advice:      decoy.ID + " has the same resource and destination, but other settings: delete it, and this one comes back",
		Differences: inventory.Differences(i.Scope, i.Frozen, decoy.Settings),
	}, Decoy}
	if isProtected {
		o.Advice = decoy.ID + " has the same resource and destination, but other settings. It is protected: release it (`flowkeeper inventory release " +
			decoy.ID + "`), then delete it, and this one comes back"
	}
	if mayBeOlder {
		o.Advice += "; if you want to keep that one, close this incident: `flowkeeper inventory release " + i.FlowLogID + "`"
	}
	if decoy.Telemetry {
		o.reason, o.Kind = Managed, alert.Blocked
		o.Advice = "a telemetry rule of CloudWatch made " + decoy.ID + " in its place, which differs in " + strings.Join(o.Differences, ", ") +
			": change that rule, or close this incident: `flowkeeper inventory release " + i.FlowLogID + "`"
	}
	if decoy.Status != "ACTIVE" {
		o.Differences = append(o.Differences, "status: "+cmp.Or(decoy.Status, "nothing")+" instead of ACTIVE")
	}
	if decoy.CreatedBy != "" {
		o.Message += ", made by " + decoy.CreatedBy
	}
	return o
}

// holdFlapping holds a lineage back that is deleted again and again, and notes so
// once (I9: it never gives up). restores are those within the hour.
func (t *transition) holdFlapping(restores []Incident, until time.Time) {
	alerted := t.FlapAlerted || slices.ContainsFunc(restores, func(i Incident) bool { return i.FlapAlerted })
	t.Flapping, t.NextAttemptAt = true, until
	if !alerted {
		t.FlapAlerted = true
		t.noteStuck(Stuck{Kind: alert.Flapping,
			Message: fmt.Sprintf("%d restores within an hour", len(restores)),
			Advice:  fmt.Sprintf("somebody deletes it each time: stop them; Flowkeeper goes on, once per %s", t.c.Policy.RestoreInterval),
		})
	}
	t.put()
}
