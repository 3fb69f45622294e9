package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// answer applies an answer of AWS to a create for fl-1, and what AWS showed after it.
func answer(a Answer, after ...inventory.FlowLog) func(*Case) string {
	return func(c *Case) string { c.ApplyAnswer("fl-1", a, seen(after...), 0.5); return "" }
}

// noObservation applies the failure of an observation for fl-1.
func noObservation(a Answer) func(*Case) string {
	return func(c *Case) string { c.ApplyFailure("fl-1", a, 0.5); return "" }
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
		{"I6: created", given(fl1, pending("fl-1", times(3))), answer(Answer{Class: Created, ID: "fl-2"}), `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored NextAttemptAt=+2m0s Tried=4 Attempts=0 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"created, and the row was live still", given(live("fl-1"), pending("fl-1")), answer(Answer{Class: Created, ID: "fl-2"}), `
			row fl-1: State=gone GoneAt=now
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored AbsentAt=now NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"created when it was blocked", given(fl1, blocked("fl-1", Role, absentBefore)), answer(Answer{Class: Created, ID: "fl-2"}), `
			new row fl-2: Tags=map[flowkeeper:restored-from:fl-1] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Reason="" NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"I4: created what was lost in turn: the answer leaves no doubt to hand on", given(fl1, gone("fl-2"), pending("fl-1", absentBefore, func(i *Incident) { i.Call = &SentCall{Token: "T", At: noon} }), pending("fl-2", absentBefore)), answer(Answer{Class: Created, ID: "fl-2"}), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" Call=none NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-2
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"created without our tag", given(fl1, pending("fl-1", untagged)), answer(Answer{Class: Created, ID: "fl-2"}), `
			new row fl-2: Tags=map[] CreatedAt=now RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored NextAttemptAt=+2m0s Tried=1 NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},

		{"I9: passes by itself", given(fl1, pending("fl-1", times(2))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+4s Tried=3 Attempts=3 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: passes by itself, and a person may help", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TryAgain, Message: "expired", Advice: "set the clock"}),
			`fl-1: Advice="set the clock" NextAttemptAt=+1s Tried=1 Attempts=1 LastError=expired | retry fl-1 open: expired`},
		{"I9: passes by itself, when it is blocked", given(fl1, blocked("fl-1", Role, absentBefore)), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 blocked/role: throttled`},
		{"passes by itself: it was shown alive before", given(fl1, pending("fl-1", func(i *Incident) { i.AliveSince, i.TimesAlive = noon, 3 })), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: AliveSince=never TimesAlive=0 AbsentAt=now NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},

		{"I9: a role that AWS can't assume yet", given(fl1, pending("fl-1", absentBefore)), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now`},
		{"I9: a role, within the grace", given(fl1, pending("fl-1", failingSince(roleGrace-1))), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume"`},
		{"I9: a role, beyond the grace", given(fl1, pending("fl-1", failingSince(roleGrace))), answer(slow), `
			fl-1: State=blocked Reason=role NextAttemptAt=+15s Tried=1 LastError="cannot assume" Stuck=blocked("cannot assume") StuckNews=true
			logged fl-1 blocked/role: cannot assume
			note stuck fl-1`},
		{"a role, after something else", given(fl1, pending("fl-1", failingSince(time.Minute))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled FailingSince=never | retry fl-1 open: throttled`},

		{"I9: a person is needed", given(fl1, pending("fl-1", times(3))), answer(denied), `
			fl-1: State=blocked Reason=permission Advice="allow it" NextAttemptAt=+15s Tried=4 Attempts=0 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"I9: refused alone: it holds no other back", given(fl1, pending("fl-1", absentBefore, groupable)), answer(Answer{Class: NeedsPerson, Reason: Invalid, Message: "invalid"}),
			`fl-1: State=blocked Reason=invalid Group="" NextAttemptAt=+15s Tried=1 LastError=invalid Stuck=blocked(invalid) StuckNews=true | logged fl-1 blocked/invalid: invalid | note stuck fl-1`},
		{"I9: refused for what others have, too: it may share a call again", given(fl1, pending("fl-1", absentBefore, groupable)), answer(slow),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now`},
		{"passes by itself: it may share a call again", given(fl1, pending("fl-1", absentBefore, groupable)), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: a person is needed still", given(fl1, blocked("fl-1", Permission, times(1))), answer(denied),
			`fl-1: Advice="allow it" Tried=2 Attempts=2 LastError="not authorized"`},
		{"a person is needed still, and was alerted", given(fl1, blocked("fl-1", Permission, times(9), alerted)), answer(denied),
			`fl-1: Advice="allow it" NextAttemptAt=+15m0s Tried=10 Attempts=10 LastError="not authorized"`},
		{"a person is needed for another reason", given(fl1, blocked("fl-1", Role, times(1), alerted)), answer(denied), `
			fl-1: Reason=permission Advice="allow it" Tried=2 Attempts=2 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"a person is needed again, and nobody was alerted", given(fl1, blocked("fl-1", Permission, times(1), func(i *Incident) { i.StuckNews, i.Stuck = false, nil })), answer(denied),
			`fl-1: Advice="allow it" Tried=2 Attempts=2 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true | note stuck fl-1`},

		{"the resource is absent", given(fl1, pending("fl-1", absentBefore)), answer(notThere),
			`fl-1: NextAttemptAt=+2m0s Tried=1 Attempts=1 LastError="vpc-1 does not exist" NotFoundAt=now`},
		{"the resource is absent still, too soon", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow-1))), answer(notThere),
			`fl-1: NextAttemptAt=+1ns Tried=1 Attempts=1 LastError="vpc-1 does not exist"`},
		{"the resource is absent still", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow)), live("fl-2", unprotected)), answer(notThere), `
			row fl-2: Protected=true
			fl-1: State=closed Reason=resource_gone Advice="its resource no longer exists: vpc-1 doe…" NextAttemptAt=never Tried=1 Attempts=1 LastError="vpc-1 does not exist"
			logged fl-1 closed/resource_gone: its resource no longer exists: vpc-1 does not exist`},
		{"I9: another answer between two that it is absent", given(fl1, pending("fl-1", notFound(policy.ConsistencyWindow))), answer(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled NotFoundAt=never | retry fl-1 open: throttled`},

		{"the tags are refused", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TagRefused, Message: "no tags"}),
			`fl-1: Untagged=true NextAttemptAt=now Tried=1 Attempts=1 LastError="no tags"`},
		{"the tags are refused without ours", given(fl1, pending("fl-1", untagged)), answer(Answer{Class: TagRefused, Message: "no tags"}), `
			fl-1: State=blocked Reason=invalid NextAttemptAt=+15s Tried=1 LastError="no tags" Stuck=blocked("no tags") StuckNews=true
			logged fl-1 blocked/invalid: no tags
			note stuck fl-1`},

		{"I3: one exists: an equivalent", given(fl1, pending("fl-1", absentBefore), live("fl-2")), answer(exists, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: one exists that is older", given(fl1, pending("fl-1", absentBefore), live("fl-2")),
			answer(exists, flowLog("fl-2", func(f *inventory.FlowLog) { f.CreatedAt = noon.Add(-48 * time.Hour) })), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+59s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-1m1s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I4: one exists that counts as gone, for long", given(fl1, pending("fl-1", absentBefore), gone("fl-2", lostLongAgo)), answer(exists, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 Action=restore Tried=1 MissingSince=-1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never Tried=1 Attempts=1 LastError=exists NewID=fl-2
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I3: one exists that counts as gone, since shortly", given(fl1, pending("fl-1", absentBefore), gone("fl-2", lostLately)), answer(exists, made("fl-2")),
			`fl-1: NextAttemptAt=+2s Tried=1 Attempts=1 LastError=exists ExistsAt=now`},
		{"one exists: a decoy", given(fl1, pending("fl-1", absentBefore), live("fl-2", unprotected, by("arn:eve"))), answer(exists, made("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way, made by arn:eve" Stuck=decoy("fl-2 is in the way, made by arn:eve") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way, made by arn:eve
			note stuck fl-1`},
		{"one exists: a decoy that was protected", given(fl1, pending("fl-1", absentBefore), live("fl-2", does(rejects))), answer(exists, made("fl-2", rejects)), `
			row fl-2: Protected=false DecoyNotice=(of fl-1, due +5m0s)
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"one exists: a decoy that is not active", given(fl1, pending("fl-1", absentBefore), live("fl-2", unprotected)), answer(exists, made("fl-2", pendingDelivery)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"one exists: a decoy, as before", given(fl1, blocked("fl-1", Decoy, absentBefore), live("fl-2", unprotected)), answer(exists, made("fl-2", rejects)),
			`fl-1: Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+30s Tried=1 Attempts=1 LastError="fl-2 is in the way"`},
		{"one exists, and is not shown", given(fl1, pending("fl-1", times(2))), answer(exists),
			`fl-1: NextAttemptAt=+8s Tried=3 Attempts=3 LastError=exists ExistsAt=now`},
		{"I2: one exists for long, and only what was there before the loss is shown: it stays protected",
			given(fl1, pending("fl-1", refusedFor(policy.ConsistencyWindow)), live("fl-2")), answer(exists, flowLog("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"one exists for long, and is found: AWS may hide another once it is gone",
			given(fl1, pending("fl-1", refusedFor(policy.ConsistencyWindow)), live("fl-2", unprotected)), answer(exists, made("fl-2", rejects)), `
			fl-1: State=blocked Reason=decoy Advice="fl-2 has the same resource and destinati…" NextAttemptAt=+15s Tried=1 LastError="fl-2 is in the way" ExistsAt=never Stuck=decoy("fl-2 is in the way") StuckNews=true
			logged fl-1 blocked/decoy: fl-2 is in the way
			note stuck fl-1`},
		{"AWS refuses it for something else", given(fl1, pending("fl-1", refusedFor(time.Minute))), answer(Answer{Class: TryAgain, Message: "throttled"}), `
			fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled ExistsAt=never
			retry fl-1 open: throttled`},
		{"I2: one exists: the lost one", given(fl1, pending("fl-1", absentBefore)), answer(exists, flowLog("fl-1")),
			`fl-1: AliveSince=now TimesAlive=1 NextAttemptAt=+1s Tried=1 Attempts=1 LastError=exists`},

		{"I4: the token was used otherwise", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: TokenMismatch, Message: "mismatch"}),
			`fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			logged fl-1 blocked/token_used: mismatch
			note stuck fl-1`},
		{"I9: a random token was used otherwise", given(fl1, blocked("fl-1", TokenUsed, absentBefore, func(i *Incident) { i.RandomToken = "random" })), answer(Answer{Class: TokenMismatch, Message: "mismatch"}),
			`fl-1: Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError=mismatch`},
		{"I4: the token answers the lost flow log", given(fl1, pending("fl-1", absentBefore)), answer(Answer{Class: Created, ID: "fl-1"}), `
			fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now NextAttemptAt=+5s Tried=1 Attempts=1 LastError="CreateFlowLogs answered the ID of the lo…" Stuck=blocked("CreateFlowLogs answered the ID of the lo…") StuckNews=true
			logged fl-1 blocked/token_used: CreateFlowLogs answered the ID of the lost flow log, fl-1
			note stuck fl-1`},
		{"I3: the token was used otherwise, and what came of it is there", given(fl1, pending("fl-1", absentBefore), live("fl-2")), answer(Answer{Class: TokenMismatch, Message: "mismatch"}, made("fl-2")), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored MismatchAt=now NextAttemptAt=+1m10s Tried=1 NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"the token was used otherwise, and it was released meanwhile", given(gone("fl-1", released), pending("fl-1", absentBefore)), answer(Answer{Class: TokenMismatch, Message: "mismatch"}), `
			fl-1: State=closed Reason=released Advice="an operator released it: 'flowkeeper res…" MismatchAt=now NextAttemptAt=never Tried=1 Attempts=1 LastError=mismatch
			logged fl-1 closed/released: an operator released it: 'flowkeeper restore fl-1' puts it back`},

		{"no incident", given(fl1), answer(denied), ``},
		{"a step was faster", given(fl1, back("fl-1", "fl-2")), answer(denied), ``},
		{"a command was faster", given(fl1, closed("fl-1", Released)), answer(Answer{Class: Created, ID: "fl-2"}), ``},
	})
}

func TestApplyFailure(t *testing.T) {
	t.Parallel()
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	notFound := func(i *Incident) { i.NotFoundAt = noon.Add(-time.Hour) }
	fl1 := live("fl-1")
	play(t, []scenario{
		{"I9: passes by itself", given(fl1, pending("fl-1")), noObservation(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 open: throttled`},
		{"I9: says nothing of the resource", given(fl1, pending("fl-1", notFound)), noObservation(Answer{Class: ResourceAbsent, Message: "not found"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="not found" NotFoundAt=never | retry fl-1 open: not found`},
		{"I9: a person is needed", given(fl1, pending("fl-1")), noObservation(denied), `
			fl-1: State=blocked Reason=permission Advice="allow it" NextAttemptAt=+15s Tried=1 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			logged fl-1 blocked/permission: not authorized
			note stuck fl-1`},
		{"a person is needed, where a replacement is to be verified", given(fl1, back("fl-1", "fl-2")), noObservation(denied),
			`fl-1: NextAttemptAt=+30s Tried=1 Attempts=1 LastError="not authorized"`},
		{"passes by itself, where a replacement is to be verified", given(fl1, back("fl-1", "fl-2")), noObservation(Answer{Class: TryAgain, Message: "throttled"}),
			`fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled | retry fl-1 restored: throttled`},
		{"no incident", given(fl1), noObservation(denied), ``},
		{"a command was faster", given(fl1, closed("fl-1", Released)), noObservation(denied), ``},
		{"a step was faster", given(fl1, back("fl-1", "fl-2", func(i *Incident) { i.State, i.NextAttemptAt = Verified, time.Time{} })), noObservation(denied), ``},
	})
}

// TestStuckSays: what an alert about a blocked flow log says beside AWS's words.
func TestStuckSays(t *testing.T) {
	t.Parallel()
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	limit := Answer{Class: NeedsPerson, Reason: Limit, Message: "too many", Advice: "ask AWS"}
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	exists := Answer{Class: AlreadyThere, Message: "exists"}
	const rejects1, inactive = "traffic_type: \"REJECT\" instead of \"ALL\"", "status: nothing instead of ACTIVE"
	for name, c := range map[string]struct {
		there       []inventory.FlowLog // beside the lost one
		answer      Answer
		advice      string // has this in it
		differences []string
	}{
		"a limit names who holds the places":  {[]inventory.FlowLog{made("fl-2", elsewhere)}, limit, "on vpc-1 are fl-2", nil},
		"a limit, and no place is taken":      {nil, limit, "ask AWS", nil},
		"any other reason names nobody":       {[]inventory.FlowLog{made("fl-2")}, denied, "allow it", nil},
		"a decoy":                             {[]inventory.FlowLog{made("fl-2", rejects)}, exists, "fl-2 has the same resource and destination", []string{rejects1}},
		"a decoy that is not active":          {[]inventory.FlowLog{made("fl-2", pendingDelivery)}, exists, "fl-2 has the same resource and destination", []string{inactive}},
		"a decoy that differs, and is not so": {[]inventory.FlowLog{made("fl-2", rejects, pendingDelivery)}, exists, "fl-2 has the same resource and destination", []string{rejects1, inactive}},
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
				t.Errorf("the advice is %q, the reason %+v", i.Advice, i.Stuck)
			}
		})
	}
}

// TestLimitNames: of what a fresh observation shows beside the snapshot, the advice names first what
// somebody has just made, and last what is protected, which is to be released before.
func TestLimitNames(t *testing.T) {
	t.Parallel()
	const remove, release = "`aws ec2 delete-flow-logs --region eu-west-1 --flow-log-ids ", "`flowkeeper inventory release "
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	limit := Answer{Class: NeedsPerson, Reason: Limit, Message: "too many", Advice: "ask AWS"}
	back := func(f *inventory.FlowLog) { f.TrafficType = "ACCEPT" }
	beside := func(r *inventory.Row) { elsewhere(&r.FlowLog) }
	ours, loose := live("fl-2", beside), live("fl-3", beside, unprotected)
	for name, c := range map[string]struct {
		rows   []any
		shown  []inventory.FlowLog
		advice string // begins so, but for what is between the names
		such   string
	}{
		"just made":                     {nil, []inventory.FlowLog{made("fl-9", elsewhere)}, "fl-9 (to arn:aws:s3:::elsewhere, not protected: it has just appeared)", "fl-9: " + remove + "fl-9`"},
		"just made, and ours":           {[]any{ours}, []inventory.FlowLog{made("fl-9", elsewhere), ours.FlowLog}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"just made, loose and ours":     {[]any{ours, loose}, []inventory.FlowLog{made("fl-9", elsewhere), ours.FlowLog, loose.FlowLog}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"ours":                          {[]any{ours}, []inventory.FlowLog{ours.FlowLog}, "fl-2 (", "fl-2: " + release + "fl-2 --for 1h`, then " + remove + "fl-2`"},
		"ours, and AWS can't be asked":  {[]any{ours}, nil, "fl-2 (", "fl-2: " + release + "fl-2 --for 1h`, then " + remove + "fl-2`"},
		"another's replacement is ours": {[]any{gone("fl-5", func(r *inventory.Row) { back(&r.FlowLog) }), pending("fl-5", func(i *Incident) { i.Frozen.TrafficType = "ACCEPT" })}, []inventory.FlowLog{made("fl-8", back), made("fl-9", elsewhere)}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"another Flowkeeper's, of a loss that is not known": {[]any{live("fl-5", func(r *inventory.Row) { back(&r.FlowLog) })}, []inventory.FlowLog{made("fl-8", back), made("fl-9", elsewhere)}, "fl-9 (", "fl-9: " + remove + "fl-9`"},
		"only such a one":              {[]any{live("fl-5", func(r *inventory.Row) { back(&r.FlowLog) })}, []inventory.FlowLog{made("fl-8", back)}, "fl-5 (", "fl-5: " + release},
		"one that is gone, shown late": {[]any{ours, gone("fl-4")}, []inventory.FlowLog{flowLog("fl-4", elsewhere)}, "fl-2 (", "fl-2: " + release},
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
			if i.State != Blocked || !strings.HasPrefix(i.Advice, "on vpc-1 are "+c.advice) || !strings.Contains(i.Advice, "such as "+c.such) {
				t.Errorf("%s: %q", i.State, i.Advice)
			}
		})
	}
	t.Run("what came back meanwhile is adopted", func(t *testing.T) {
		t.Parallel()
		k := given(gone("fl-1"), pending("fl-1", absentBefore))
		answer(limit, made("fl-9"))(k)
		if i, _ := k.Incident("fl-1"); i.State != Restored || i.NewID != "fl-9" {
			t.Errorf("%+v", i)
		}
	})
}

// TestHinted: AWS's words come first, and what to do where that is known.
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

// TestAdviceAboutWhatIsProtected and in the way: once deleted, it comes back first, unless it is released before.
func TestAdviceAboutWhatIsProtected(t *testing.T) {
	t.Parallel()
	refused := func(i *Incident) { i.AbsentAt, i.ExistsAt = noon, now.Add(-policy.ConsistencyWindow) }
	for name, is := range map[string]struct {
		shown       inventory.FlowLog
		row         inventory.Row
		isProtected bool
	}{
		"it was there beside the lost one": {flowLog("fl-2", rejects), live("fl-2", does(rejects)), true},
		"it was, and is excluded":          {flowLog("fl-2", rejects), live("fl-2", does(rejects), excluded), false},
		"it is a replacement":              {made("fl-2", rejects), live("fl-2", does(rejects), func(r *inventory.Row) { r.RootID = "fl-0" }), true},
		"it is a decoy":                    {made("fl-2", rejects), live("fl-2", does(rejects), func(r *inventory.Row) { r.CreatedAt = noon }), false},
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
