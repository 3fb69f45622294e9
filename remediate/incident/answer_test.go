package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// answer applies AWS's answer to a create for fl-1. after is what AWS showed after the answer.
func answer(a Answer, after ...inventory.FlowLog) func(*Case) string {
	return func(c *Case) string { c.ApplyAnswer("fl-1", a, seen(after...), 0.5); return "" }
}

// noObservation applies AWS's error to an observation for fl-1.
func noObservation(a Answer) func(*Case) string {
	return func(c *Case) string { c.applyFailure("fl-1", a, 0.5); return "" }
}

func TestApplyAnswer(t *testing.T) {
	t.Parallel()
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	times := func(attempts int) func(*Incident) {
		return func(i *Incident) { i.AbsentAt, i.Attempts, i.Tried = noon, attempts, attempts }
	}
	notFound := func(before time.Duration) func(*Incident) {
		return func(i *Incident) { i.AbsentAt, i.NotFoundAt = noon, now.Add(-before) }
	}
	failingSince := func(before time.Duration) func(*Incident) {
		return func(i *Incident) { i.AbsentAt, i.FailingSince = noon, now.Add(-before) }
	}
	refusedFor := func(d time.Duration) func(*Incident) {
		return func(i *Incident) { i.AbsentAt, i.ExistsAt = noon, now.Add(-d) }
	}
	untagged := func(i *Incident) { i.AbsentAt, i.Untagged = noon, true }
	alerted := func(i *Incident) { i.StuckNews, i.StuckAlertedAt = false, noon }
	by := func(who string) func(*inventory.Row) { return func(r *inventory.Row) { r.CreatedBy = who } }
	lostLately := func(r *inventory.Row) { r.GoneAt = now.Add(-policy.ConsistencyWindow + 1) }
	lostLongAgo := func(r *inventory.Row) { r.GoneAt = now.Add(-policy.ConsistencyWindow) }
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	slow := Answer{Class: RoleSlow, Reason: Role, Message: "cannot assume"}
	notThere := Answer{Class: ResourceAbsent, Message: "vpc-1 does not exist"}
	fl1, exists := gone("fl-1"), Answer{Class: AlreadyThere, Message: "exists"}
	play(t, []scenario{
		{"I6: created", given(fl1, pending("fl-1", times(3))), answer(Answer{Class: Succeeded, ID: "fl-2"}), `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored NextAttemptAt=+2m0s Tried=4 Attempts=0 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"created, and the row was still live", given(live("fl-1"), pending("fl-1")), answer(Answer{Class: Succeeded, ID: "fl-2"}), `
			row fl-1: State=gone GoneAt=now
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored AbsentAt=now NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"created while it was blocked", given(fl1, blocked("fl-1", Role, absentBefore)), answer(Answer{Class: Succeeded, ID: "fl-2"}), `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Reason="" NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"I4: created, and the replacement was lost in turn: the call is answered, so that no call in doubt is handed on", given(fl1, gone("fl-2"), pending("fl-1", absentBefore, func(i *Incident) { i.Call = &SentCall{Token: "T", At: noon} }), pending("fl-2", absentBefore)), answer(Answer{Class: Succeeded, ID: "fl-2"}), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" Call=none NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-2
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"created without our tag", given(fl1, pending("fl-1", untagged)), answer(Answer{Class: Succeeded, ID: "fl-2"}), `
			new row fl-2: Tags=map[] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},

		{"I9: the error passes by itself", given(fl1, pending("fl-1", times(2))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+4s Tried=3 Attempts=3 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: the error passes by itself, but a person may help", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TryAgain, Message: "expired", Advice: "set the clock"}),
			`fl-1: Advice="set the clock" NextAttemptAt=+1s Tried=1 Attempts=1 LastError=expired | retry fl-1 open: expired`},
		{"I9: the error passes by itself, and the incident is blocked", given(fl1, blocked("fl-1", Role, absentBefore)), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 blocked/role: throttled`},
		{"the error passes by itself, and AWS showed the flow log alive before", given(fl1, pending("fl-1", func(i *Incident) { i.AliveSince, i.TimesAlive = noon, 3 })), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: AliveSince=never TimesAlive=0 AbsentAt=now NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},

		{"I9: a role that AWS can't assume yet", given(fl1, pending("fl-1", absentBefore)), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now`},
		{"I9: a role that AWS can't assume, within the grace period", given(fl1, pending("fl-1", failingSince(roleGrace-1))), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume"`},
		{"I9: a role that AWS can't assume, after the grace period", given(fl1, pending("fl-1", failingSince(roleGrace))), answer(slow), `
			fl-1: State=blocked Reason=role NextAttemptAt=+15s Tried=1 LastError="cannot assume" Stuck=blocked("cannot assume") StuckNews=true
			logged fl-1 blocked/role: cannot assume
			note stuck fl-1`},
		{"another error ends the grace period of a role", given(fl1, pending("fl-1", failingSince(time.Minute))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled FailingSince=never | retry fl-1 open: throttled`},

		{"I9: a person is needed", given(fl1, pending("fl-1", times(3))), answer(denied), `
			fl-1: State=blocked Reason=permission Advice="allow it" NextAttemptAt=+15s Tried=4 Attempts=0 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"I9: refused alone, for a cause of its own: it shares no call any more, so that it holds no other back", given(fl1, pending("fl-1", absentBefore, groupable)), answer(Answer{Class: NeedsPerson, Reason: Invalid, Message: "invalid"}),
			`fl-1: State=blocked Reason=invalid Group="" NextAttemptAt=+15s Tried=1 LastError=invalid Stuck=blocked(invalid) StuckNews=true | logged fl-1 blocked/invalid: invalid | note stuck fl-1`},
		{"I9: refused for a cause that others have in common: it may share a call again", given(fl1, pending("fl-1", absentBefore, groupable)), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now`},
		{"the error passes by itself: it may share a call again", given(fl1, pending("fl-1", absentBefore, groupable)), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: a person is still needed", given(fl1, blocked("fl-1", Permission, times(1))), answer(denied),
			`fl-1: Advice="allow it" Tried=2 Attempts=2 LastError="not authorized"`},
		{"a person is still needed, and was alerted", given(fl1, blocked("fl-1", Permission, times(9), alerted)), answer(denied),
			`fl-1: Advice="allow it" NextAttemptAt=+15m0s Tried=10 Attempts=10 LastError="not authorized"`},
		{"a person is needed for another reason", given(fl1, blocked("fl-1", Role, times(1), alerted)), answer(denied), `
			fl-1: Reason=permission Advice="allow it" Tried=2 Attempts=2 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"a person is needed again, and nobody was alerted", given(fl1, blocked("fl-1", Permission, times(1), func(i *Incident) { i.StuckNews, i.Stuck = false, nil })), answer(denied),
			`fl-1: Advice="allow it" Tried=2 Attempts=2 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true | note stuck fl-1`},

		{"the resource is absent", given(fl1, pending("fl-1", absentBefore)), answer(notThere),
			`fl-1: NextAttemptAt=+2m0s Tried=1 Attempts=1 LastError="vpc-1 does not exist" NotFoundAt=now`},
		{"the resource is still absent, too soon", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow-1))), answer(notThere),
			`fl-1: NextAttemptAt=+1ns Tried=1 Attempts=1 LastError="vpc-1 does not exist"`},
		{"the resource is still absent", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow)), live("fl-2", unprotected)), answer(notThere), `
			row fl-2: Protected=true
			fl-1: State=closed Reason=resource_gone Advice="its resource no longer exists: vpc-1 doe…" NextAttemptAt=never Tried=1 Attempts=1 LastError="vpc-1 does not exist"
			logged fl-1 closed/resource_gone: its resource no longer exists: vpc-1 does not exist`},
		{"I9: another answer between two that say that the resource is absent", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled NotFoundAt=never | retry fl-1 open: throttled`},

		{"the tags are refused", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TagRefused, Message: "no tags"}),
			`fl-1: Untagged=true NextAttemptAt=now Tried=1 Attempts=1 LastError="no tags"`},
		{"the tags are refused, although our own tag is left out", given(fl1, pending("fl-1", untagged)), answer(Answer{Class: TagRefused, Message: "no tags"}), `
			fl-1: State=blocked Reason=invalid NextAttemptAt=+15s Tried=1 LastError="no tags" Stuck=blocked("no tags") StuckNews=true
			logged fl-1 blocked/invalid: no tags
			note stuck fl-1`},

		{"I3: AWS says it exists: an equivalent", given(fl1, pending("fl-1", absentBefore), live("fl-2")), answer(exists, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: AWS says it exists: an equivalent that is older than the lost one", given(fl1, pending("fl-1", absentBefore), live("fl-2")),
			answer(exists, flowLog("fl-2", func(f *inventory.FlowLog) { f.CreatedAt = noon.Add(-48 * time.Hour) })), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+59s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-1m1s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I4: AWS says it exists: an equivalent that has counted as gone for long", given(fl1, pending("fl-1", absentBefore), gone("fl-2", lostLongAgo)), answer(exists, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 Action=restore Tried=1 MissingSince=-1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=1 Attempts=1 LastError=exists NewID=fl-2
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I3: AWS says it exists: an equivalent that has counted as gone for less than the consistency window", given(fl1, pending("fl-1", absentBefore), gone("fl-2", lostLately)), answer(exists, made("fl-2")),
			`fl-1: NextAttemptAt=+2s Tried=1 Attempts=1 LastError=exists ExistsAt=now`},
		{"AWS says it exists: a decoy", given(fl1, pending("fl-1", absentBefore), live("fl-2", unprotected, by("arn:eve"))), answer(exists, made("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way, made by arn:eve" Stuck=decoy("fl-2 is in the way, made by arn:eve") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way, made by arn:eve
			note stuck fl-1`},
		{"AWS says it exists: a decoy that was protected", given(fl1, pending("fl-1", absentBefore), live("fl-2", does(rejects))), answer(exists, made("fl-2", rejects)), `
			row fl-2: Protected=false DecoyNotice=(of fl-1, due +5m0s)
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"AWS says it exists: a decoy that is not active", given(fl1, pending("fl-1", absentBefore), live("fl-2", unprotected)), answer(exists, made("fl-2", pendingDelivery)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"AWS says it exists: a decoy, as before", given(fl1, blocked("fl-1", Decoy, absentBefore), live("fl-2", unprotected)), answer(exists, made("fl-2", rejects)),
			`fl-1: Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+30s Tried=1 Attempts=1 LastError="fl-2 is in the way"`},
		{"AWS says it exists, and shows none", given(fl1, pending("fl-1", times(2))), answer(exists),
			`fl-1: NextAttemptAt=+8s Tried=3 Attempts=3 LastError=exists ExistsAt=now`},
		{"I2: AWS has said for long that it exists, and shows only what was there before the loss: that stays protected",
			given(fl1, pending("fl-1", refusedFor(policy.ConsistencyWindow)), live("fl-2")), answer(exists, flowLog("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"AWS has said for long that it exists, and shows a decoy: when the decoy is gone, the time counts anew",
			given(fl1, pending("fl-1", refusedFor(policy.ConsistencyWindow)), live("fl-2", unprotected)), answer(exists, made("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" ExistsAt=never Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"AWS refuses the create for another reason than before", given(fl1, pending("fl-1", refusedFor(time.Minute))), answer(Answer{Class: TryAgain, Message: "throttled"}), `
			fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled ExistsAt=never
			retry fl-1 open: throttled`},
		{"I2: AWS says it exists: the lost one", given(fl1, pending("fl-1", absentBefore)), answer(exists, flowLog("fl-1")),
			`fl-1: AliveSince=now TimesAlive=1 NextAttemptAt=+1s Tried=1 Attempts=1 LastError=exists`},

		{"I4: another call has used the token", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TokenMismatch, Message: "mismatch"}),
			`fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			logged fl-1 blocked/token_used: mismatch
			note stuck fl-1`},
		{"I9: another call has used the random token", given(fl1, blocked("fl-1", TokenUsed, absentBefore, func(i *Incident) { i.RandomToken = "random" })), answer(Answer{Class: TokenMismatch, Message: "mismatch"}),
			`fl-1: Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError=mismatch`},
		{"I4: the create answers the ID of the lost flow log", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: Succeeded, ID: "fl-1"}), `
			fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError="CreateFlowLogs answered the ID of the lo…" Stuck=blocked("CreateFlowLogs answered the ID of the lo…") StuckNews=true
			logged fl-1 blocked/token_used: CreateFlowLogs answered the ID of the lost flow log, fl-1
			note stuck fl-1`},
		{"I3: another call has used the token, and AWS shows what that call made", given(fl1, pending("fl-1", absentBefore), live("fl-2")), answer(Answer{Class: TokenMismatch, Message: "mismatch"}, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored MismatchAt=now NextAttemptAt=+1m10s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"another call has used the token, and the flow log was released meanwhile", given(gone("fl-1", released), pending("fl-1", absentBefore)), answer(Answer{Class: TokenMismatch, Message: "mismatch"}), `
			fl-1: State=closed Reason=released Advice="an operator released it: 'flowkeeper res…" MismatchAt=now NextAttemptAt=never Tried=1 Attempts=1 LastError=mismatch
			logged fl-1 closed/released: an operator released it: 'flowkeeper restore fl-1' puts it back`},

		{"no incident", given(fl1), answer(denied), ``},
		{"a step was faster", given(fl1, back("fl-1", "fl-2")), answer(denied), ``},
		{"a command was faster", given(fl1, closed("fl-1", Released)), answer(Answer{Class: Succeeded, ID: "fl-2"}), ``},
	})
}

func TestApplyFailure(t *testing.T) {
	t.Parallel()
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	notFound := func(i *Incident) { i.NotFoundAt = noon.Add(-time.Hour) }
	fl1 := live("fl-1")
	play(t, []scenario{
		{"I9: the error passes by itself", given(fl1, pending("fl-1")), noObservation(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: 'not found' says nothing about the resource", given(fl1, pending("fl-1", notFound)), noObservation(Answer{Class: ResourceAbsent, Message: "not found"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="not found" NotFoundAt=never | retry fl-1 open: not found`},
		{"I9: a person is needed", given(fl1, pending("fl-1")), noObservation(denied), `
			fl-1: State=blocked Reason=permission Advice="allow it" NextAttemptAt=+15s Tried=1 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"a person is needed, while the replacement is to be verified", given(fl1, back("fl-1", "fl-2")), noObservation(denied),
			`fl-1: NextAttemptAt=+30s Tried=1 Attempts=1 LastError="not authorized"`},
		{"the error passes by itself, while the replacement is to be verified", given(fl1, back("fl-1", "fl-2")), noObservation(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 restored: throttled`},
		{"no incident", given(fl1), noObservation(denied), ``},
		{"a command was faster", given(fl1, closed("fl-1", Released)), noObservation(denied), ``},
		{"a step was faster", given(fl1, back("fl-1", "fl-2", func(i *Incident) { i.State, i.NextAttemptAt = Verified, time.Time{} })), noObservation(denied), ``},
	})
}

// TestStuckSays: an alert about a blocked flow log has the incident's advice, and says how a decoy differs from the
// lost flow log.
func TestStuckSays(t *testing.T) {
	t.Parallel()
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	limit := Answer{Class: NeedsPerson, Reason: Limit, Message: "too many", Advice: "ask AWS"}
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	exists := Answer{Class: AlreadyThere, Message: "exists"}
	const rejects1, inactive = "traffic_type: \"REJECT\" instead of \"ALL\"", "status: nothing instead of ACTIVE"
	for name, c := range map[string]struct {
		there       []inventory.FlowLog // what AWS shows on the resource
		answer      Answer
		advice      string // a part of it
		differences []string
	}{
		"a limit: the advice names the flow logs on the resource": {[]inventory.FlowLog{made("fl-2", elsewhere)}, limit, "on vpc-1 are fl-2", nil},
		"a limit, and AWS shows no flow log on the resource":      {nil, limit, "ask AWS", nil},
		"another reason: the advice names no flow log":            {[]inventory.FlowLog{made("fl-2")}, denied, "allow it", nil},
		"a decoy":                    {[]inventory.FlowLog{made("fl-2", rejects)}, exists, "fl-2 has the same resource and destination", []string{rejects1}},
		"a decoy that is not active": {[]inventory.FlowLog{made("fl-2", pendingDelivery)}, exists, "fl-2 has the same resource and destination", []string{inactive}},
		"a decoy that differs, and is not active": {[]inventory.FlowLog{made("fl-2", rejects, pendingDelivery)}, exists, "fl-2 has the same resource and destination", []string{rejects1, inactive}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := given(gone("fl-1"), pending("fl-1", absentBefore))
			for _, f := range c.there {
				k.Load([]inventory.Row{live(f.ID, unprotected, func(r *inventory.Row) { r.FlowLog = f })}, nil)
			}
			answer(c.answer, c.there...)(k)
			i, _ := k.Incident("fl-1")
			if i.Stuck == nil || i.Stuck.Advice != i.Advice || !strings.Contains(i.Advice, c.advice) || !slices.Equal(i.Stuck.Differences, c.differences) {
				t.Errorf("the advice is %q, want %q in it; the alert has %+v, want the same advice and the differences %q", i.Advice, c.advice, i.Stuck, c.differences)
			}
		})
	}
}

// TestLimitNames: if a resource has as many flow logs as AWS allows, the advice names them, and how to delete the
// first. First come those that somebody has just made, and which only the observation shows. Last come the protected
// ones: if nobody releases such a flow log before deleting it, Flowkeeper restores it.
func TestLimitNames(t *testing.T) {
	t.Parallel()
	const remove, release = "`aws ec2 delete-flow-logs --region eu-west-1 --flow-log-ids ", "`flowkeeper inventory release "
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	limit := Answer{Class: NeedsPerson, Reason: Limit, Message: "too many", Advice: "ask AWS"}
	accepts := func(f *inventory.FlowLog) { f.TrafficType = "ACCEPT" }
	toElsewhere := func(r *inventory.Row) { elsewhere(&r.FlowLog) }
	guarded, loose := live("fl-2", toElsewhere), live("fl-3", toElsewhere, unprotected)
	for name, c := range map[string]struct {
		rows   []any
		shown  []inventory.FlowLog
		first  string // the flow log that the advice names first
		delete string // the command that the advice proposes
	}{
		"just made":                             {nil, []inventory.FlowLog{made("fl-9", elsewhere)}, "fl-9 (to arn:aws:s3:::elsewhere, not protected: it has just appeared)", "fl-9: " + remove + "fl-9`"},
		"just made, and protected":              {[]any{guarded}, []inventory.FlowLog{made("fl-9", elsewhere), guarded.FlowLog}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"just made, unprotected, and protected": {[]any{guarded, loose}, []inventory.FlowLog{made("fl-9", elsewhere), guarded.FlowLog, loose.FlowLog}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"protected":                             {[]any{guarded}, []inventory.FlowLog{guarded.FlowLog}, "fl-2 (", "fl-2: " + release + "fl-2 --for 1h`, then " + remove + "fl-2`"},
		"protected, and AWS can't be asked":     {[]any{guarded}, nil, "fl-2 (", "fl-2: " + release + "fl-2 --for 1h`, then " + remove + "fl-2`"},
		"the replacement of another lost flow log is not named first":                       {[]any{gone("fl-5", func(r *inventory.Row) { accepts(&r.FlowLog) }), pending("fl-5", func(i *Incident) { i.Frozen.TrafficType = "ACCEPT" })}, []inventory.FlowLog{made("fl-8", accepts), made("fl-9", elsewhere)}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"a replacement that another Flowkeeper made, of a loss that this one does not know": {[]any{live("fl-5", func(r *inventory.Row) { accepts(&r.FlowLog) })}, []inventory.FlowLog{made("fl-8", accepts), made("fl-9", elsewhere)}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"only such a replacement":                           {[]any{live("fl-5", func(r *inventory.Row) { accepts(&r.FlowLog) })}, []inventory.FlowLog{made("fl-8", accepts)}, "fl-5 (", "fl-5: " + release},
		"a gone flow log that AWS still shows is not named": {[]any{guarded, gone("fl-4")}, []inventory.FlowLog{flowLog("fl-4", elsewhere)}, "fl-2 (", "fl-2: " + release},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := given(append(c.rows, gone("fl-1"), pending("fl-1", absentBefore))...)
			o := Observation{}
			if c.shown != nil {
				o = Observation{At: now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
				for _, f := range c.shown {
					o.FlowLogs[f.ID] = f
				}
			}
			k.ApplyAnswer("fl-1", limit, o, 0)
			i, _ := k.Incident("fl-1")
			if i.State != Blocked || !strings.HasPrefix(i.Advice, "on vpc-1 are "+c.first) || !strings.Contains(i.Advice, "such as "+c.delete) {
				t.Errorf("%s, want blocked; the advice is %q, want %q first, and %q", i.State, i.Advice, c.first, c.delete)
			}
		})
	}
	t.Run("an equivalent that AWS shows after its answer is adopted", func(t *testing.T) {
		t.Parallel()
		k := given(gone("fl-1"), pending("fl-1", absentBefore))
		answer(limit, made("fl-9"))(k)
		if i, _ := k.Incident("fl-1"); i.State != Restored || i.NewID != "fl-9" {
			t.Errorf("%+v", i)
		}
	})
}

// TestTheZeroAnswerIsNoSuccess: an answer whose class somebody forgot to set restores nothing, and sets no tags.
func TestTheZeroAnswerIsNoSuccess(t *testing.T) {
	t.Parallel()
	if !(Answer{}).Fails(Observation{}) {
		t.Error("the zero answer counts as a success")
	}
	c := given(gone("fl-1"), pending("fl-1"))
	c.ApplyAnswer("fl-1", Answer{ID: "fl-2"}, Observation{}, 0)
	if i, _ := c.Incident("fl-1"); !i.Pending() || i.NewID != "" {
		t.Errorf("%s, restored as %q, want no replacement", i.State, i.NewID)
	}
	tagged := back("fl-1", "fl-2", lacks("a", "1"))
	c = given(gone("fl-1"), live("fl-2"), tagged)
	c.Sharing().ApplyTags([]Incident{tagged}, Answer{}, 0)
	if i, _ := c.Incident("fl-1"); len(i.MissingTags) == 0 {
		t.Error("the replacement lacks no tag any more, want that CreateTags is called again")
	}
}

// TestHinted: AWS's words come first, then the advice in brackets, if there is any.
func TestHinted(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Answer{
		"denied":            {Message: "denied"},
		"denied (allow it)": {Message: "denied", Advice: "allow it"},
	} {
		if got := a.Hinted(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestAdviceAboutWhatIsProtected: if a protected flow log is in the way of a restore, the advice says to release it
// before it is deleted. Otherwise Flowkeeper restores it, and it is in the way again.
func TestAdviceAboutWhatIsProtected(t *testing.T) {
	t.Parallel()
	refused := func(i *Incident) { i.AbsentAt, i.ExistsAt = noon, now.Add(-policy.ConsistencyWindow) }
	for name, is := range map[string]struct {
		shown       inventory.FlowLog
		row         inventory.Row
		isProtected bool
	}{
		"it was there before the loss":                  {flowLog("fl-2", rejects), live("fl-2", does(rejects)), true},
		"it was there before the loss, and is excluded": {flowLog("fl-2", rejects), live("fl-2", does(rejects), excluded), false},
		"it is a replacement":                           {made("fl-2", rejects), live("fl-2", does(rejects), func(r *inventory.Row) { r.RootID = "fl-0" }), true},
		"it is a decoy":                                 {made("fl-2", rejects), live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt = noon }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := given(gone("fl-1"), pending("fl-1", refused), is.row)
			c.ApplyAnswer("fl-1", Answer{Class: AlreadyThere, Message: "exists"}, seen(is.shown), 0)
			i, _ := c.Incident("fl-1")
			row, _ := c.Row("fl-2")
			saysSo := strings.Contains(i.Advice, "`flowkeeper inventory release fl-2`")
			if i.Reason != Decoy || row.Protected != is.isProtected || saysSo != is.isProtected {
				t.Errorf("%s %s, fl-2 is protected: %v; %s", i.State, i.Reason, row.Protected, i.Advice)
			}
		})
	}
}
