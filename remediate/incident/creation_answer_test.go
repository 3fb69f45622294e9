package incident

import (
	"fmt"
	"testing"
	"time"

	"flowkeeper/alert"
	"flowkeeper/inventory"
)

// answered applies the answer to a call with the token T, which was sent for all incidents of a case.
func answered(a CreationAnswer) func(*Case) string {
	return func(c *Case) string {
		g := Creation{Token: "T"}
		for _, id := range all(c) {
			i, _ := c.Incident(id)
			g.Incidents = append(g.Incidents, i)
		}
		c.Sharing().ApplyCreation(g, a, 0.5)
		return ""
	}
}

func TestApplyCreation(t *testing.T) {
	t.Parallel()
	// sentOn is a lost flow log on its own VPC, whose call was sent five seconds ago. With twice, the same call was
	// also sent 20 s before that.
	sentOn := func(n string, change ...func(*Incident)) func(*Case) {
		return lostOn(n, append([]func(*Incident){func(i *Incident) { i.Call = &SentCall{Token: "T", At: now.Add(-5 * time.Second)} }}, change...)...)
	}
	twice := func(i *Incident) {
		i.Call = &SentCall{Token: "T", At: now.Add(-5 * time.Second), Before: now.Add(-25 * time.Second)}
	}
	otherCall := func(i *Incident) { i.Call = &SentCall{Token: "U", At: now} }
	refused := func(a Answer) CreationAnswer { return CreationAnswer{Refused: &a} }
	item := func(resource string, a Answer, made ...inventory.FlowLog) CreationAnswer {
		a.NoEffect = true
		out := CreationAnswer{Items: map[string]Answer{resource: a}, Made: map[string]inventory.FlowLog{}}
		for _, f := range made {
			out.Made[f.ResourceID] = f
		}
		return out
	}
	newOn := func(n string, kv ...string) inventory.FlowLog {
		return made("fl-new-"+n, func(f *inventory.FlowLog) {
			f.ResourceID, f.Tags = "vpc-"+n, tagMap(append(kv, RestoredFrom, "e-1")...)
		})
	}
	throttled := Answer{Class: TryAgain, Message: "throttled", NoEffect: true, Throttled: true}
	noAnswer := Answer{Class: TryAgain, Message: "no answer"}
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it", NoEffect: true}
	notThere := func(who string) Answer {
		return Answer{Class: ResourceAbsent, Message: who + " does not exist", NoEffect: true}
	}
	slowRole := Answer{Class: RoleSlow, Reason: Role, Message: "cannot assume", NoEffect: true}
	passRole := Answer{Class: NeedsPerson, Reason: Permission, Message: "no iam:PassRole", Advice: "allow it", Denied: "iam:PassRole", NoEffect: true}
	noAccess := Answer{Class: NeedsPerson, Reason: Credentials, Message: "not yours", NoEffect: true}
	twoAttempts := func(i *Incident) { i.Attempts = 2 }
	conflict := Answer{Class: TryAgain, Message: "conflict", NoEffect: true}
	mismatch := Answer{Class: TokenMismatch, Message: "mismatch", NoEffect: true}
	alreadyUsed := func(i *Incident) {
		i.State, i.Reason, i.Stuck, i.StuckNews = Blocked, TokenUsed, &Stuck{Kind: alert.Blocked}, true
	}
	random := func(i *Incident) { i.RandomToken = "random" }
	often := func(i *Incident) { i.Attempts, i.Tried = 5, 5 }
	tried := func(i *Incident) { i.Attempts, i.Tried, i.LastError, i.NotFoundAt = 2, 2, "throttled", noon }
	play(t, []scenario{
		{"I6: all are made", given(sentOn("1"), sentOn("2", tried)), answered(item("", Answer{}, newOn("1"), newOn("2"))), `
			new row fl-new-1: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-1 RestoredAt=now
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=3 Attempts=0 LastError="" NotFoundAt=never NewID=fl-new-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-new-1
			logged fl-2 restored: recreated as fl-new-2`},
		{"made, and lacks tags", given(sentOn("1", tags("a", "1", "b", "2")), sentOn("2")), answered(item("", Answer{}, newOn("1", "a", "1"), newOn("2"))), `
			new row fl-new-1: Tags=map[a:1 flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true OwnTags=map[a:1 b:2] FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Group="" Call=none NextAttemptAt=now Tried=1 NewID=fl-new-1 RestoredAt=now MissingTags=map[b:2]
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-new-1
			logged fl-2 restored: recreated as fl-new-2`},
		{"made, and the row of the lost flow log was still live", given(sentOn("1"), live("fl-1", does(func(f *inventory.FlowLog) { f.ResourceID = "vpc-1" }))), answered(item("", Answer{}, newOn("1"))), `
			row fl-1: State=gone GoneAt=now
			new row fl-new-1: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-1 RestoredAt=now
			logged fl-1 restored: recreated as fl-new-1`},
		{"made while it was blocked", given(sentOn("1", func(i *Incident) { i.State, i.Reason = Blocked, Permission })), answered(item("", Answer{}, newOn("1"))), `
			new row fl-new-1: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored Reason="" Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-1 RestoredAt=now
			logged fl-1 restored: recreated as fl-new-1`},
		{"made, and not shown yet", given(sentOn("1"), sentOn("2")), answered(item("", Answer{}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Call=sent(-5s, final, T) NextAttemptAt=+5s
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"made, not shown yet, and sent twice", given(sentOn("1", twice)), answered(CreationAnswer{}), `fl-1: Call=sent(-5s, before -25s, final, T) NextAttemptAt=+5s`},
		{"I4: made, and lost by now", given(sentOn("1"), gone("fl-new-1", does(func(f *inventory.FlowLog) { f.ResourceID = "vpc-1" }))), answered(item("", Answer{}, newOn("1"))), `
			row fl-new-1: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-new-1 opened: Source=drift EventID=lost-fl-new-1 Action=restore Tried=1 MissingSince=-1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" Call=none NextAttemptAt=never Tried=1 Attempts=1 NewID=fl-new-1
			history fl-new-1 open: its replacement was lost in turn (lost-fl-new-1)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-new-1
			note lineage fl-new-1
			note reopened fl-new-1
			note overdue fl-new-1
			note known fl-new-1`},
		{"I2: made, and a forged record named the new flow log before the snapshot had it", given(sentOn("1"), closed("fl-new-1", Unknown, unknown)), answered(item("", Answer{}, newOn("1"))), `
			new row fl-new-1: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-new-1 reopened: RootID=fl-1 ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s
			fl-1: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-1 RestoredAt=now
			history fl-new-1 open: a create call whose answer was lost has made it (e-1)
			logged fl-1 restored: recreated as fl-new-1
			note reopened fl-new-1
			note overdue fl-new-1
			note known fl-new-1`},
		{"I4: the ID of a lost flow log is no success", given(sentOn("1"), sentOn("2")), answered(item("", Answer{}, newOn("2"), made("fl-1", func(f *inventory.FlowLog) { f.ResourceID = "vpc-1" }))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=now LastError="CreateFlowLogs answered the ID of the lo…"
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},

		{"an item's resource is absent", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", notThere("vpc-1"), newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=+2m0s Tried=1 Attempts=1 LastError="vpc-1 does not exist" NotFoundAt=now
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"an item needs a person", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", denied, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=blocked Reason=permission Advice="allow it" Group="" Call=none NextAttemptAt=+15s Tried=1 LastError="not authorized" Stuck=blocked("not authorized") StuckNews=true
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-1 blocked/permission: not authorized
			logged fl-2 restored: recreated as fl-new-2
			note stuck fl-1`},
		{"an item is denied, perhaps because the call lacks its own tags: it goes alone", given(sentOn("1", tags("a", "1")), sentOn("2")), answered(item("vpc-1", denied, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=now Tried=1 LastError="not authorized"
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"an item's error passes by itself", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", throttled, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2
			retry fl-1 open: throttled`},
		{"an item's tags are refused: it goes alone, with all of its own", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", Answer{Class: TagRefused, Message: "no tags"}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=now Tried=1 LastError="no tags"
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"AWS can't assume an item's role yet", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", Answer{Class: RoleSlow, Reason: Role, Message: "cannot assume"}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Call=none NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"I9: AWS can't assume the role of each item, for the third time: halved, because one flow log may be the cause", given(sentOn("1", twoAttempts), sentOn("2", twoAttempts)), answered(CreationAnswer{Items: map[string]Answer{"vpc-1": slowRole, "vpc-2": slowRole}}), `
			fl-1: AtMost=1 Call=none NextAttemptAt=+4s Tried=1 Attempts=3 LastError="cannot assume" FailingSince=now
			fl-2: AtMost=1 Call=none NextAttemptAt=+4s Tried=1 Attempts=3 LastError="cannot assume" FailingSince=now`},
		{"AWS can't assume an item's role, for the third time: not halved, because the other one was made", given(sentOn("1", twoAttempts), sentOn("2")), answered(item("vpc-1", slowRole, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Call=none NextAttemptAt=+4s Tried=1 Attempts=3 LastError="cannot assume" FailingSince=now
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"I3: an item exists", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", Answer{Class: AlreadyThere, Message: "exists"}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=none NextAttemptAt=now Tried=1 LastError=exists
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"I4: an item exists, of a call sent twice", given(sentOn("1", twice), sentOn("2", twice)), answered(item("vpc-1", Answer{Class: AlreadyThere, Message: "exists"}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=sent(-25s, final, T) NextAttemptAt=now Tried=1 LastError=exists
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2`},
		{"I4: an item's token is used", given(sentOn("1"), sentOn("2")), answered(item("vpc-1", Answer{Class: TokenMismatch, Message: "mismatch"}, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-1 blocked/token_used: mismatch
			logged fl-2 restored: recreated as fl-new-2
			note stuck fl-1`},
		{"I4: an item's error passes by itself, of a call sent twice", given(sentOn("1", twice), sentOn("2", twice)), answered(item("vpc-1", throttled, newOn("2"))), `
			new row fl-new-2: ResourceID=vpc-2 Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: Group="" Call=sent(-25s, T) NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled
			fl-2: State=restored Group="" Call=none NextAttemptAt=+2m0s Tried=1 NewID=fl-new-2 RestoredAt=now
			logged fl-2 restored: recreated as fl-new-2
			retry fl-1 open: throttled`},

		{"throttled: none was made", given(sentOn("1"), sentOn("2", tried)), answered(refused(throttled)), `
			fl-1: Call=none NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled
			fl-2: Call=none NextAttemptAt=+4s Tried=3 Attempts=3 NotFoundAt=never
			retry fl-1 open: throttled`},
		{"I4: throttled, of a call sent twice", given(sentOn("1", twice), sentOn("2", twice)), answered(refused(throttled)), `
			fl-1: Call=sent(-25s, T) NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled
			fl-2: Call=sent(-25s, T) NextAttemptAt=+1s Tried=1 Attempts=1 LastError=throttled
			retry fl-1 open: throttled`},
		{"I4: no answer: in doubt", given(sentOn("1"), sentOn("2")), answered(refused(noAnswer)), `
			fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			retry fl-1 open: no answer`},
		{"I4: no answer, of a call sent twice", given(sentOn("1", twice), sentOn("2", twice)), answered(refused(noAnswer)), `
			fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			retry fl-1 open: no answer`},
		{"I9: no answer, for the third time", given(sentOn("1", tried), sentOn("2", tried)), answered(refused(noAnswer)), `
			fl-1: NextAttemptAt=+4s Tried=3 Attempts=3 LastError="no answer" NotFoundAt=never
			fl-2: NextAttemptAt=+4s Tried=3 Attempts=3 LastError="no answer" NotFoundAt=never
			retry fl-1 open: no answer`},
		{"I9: no answer, for the sixth time: halved", given(sentOn("1", often), sentOn("2", often), sentOn("3", often)), answered(refused(noAnswer)), `
			fl-1: AtMost=2 NextAttemptAt=+30s Tried=6 Attempts=6 LastError="no answer"
			fl-2: AtMost=2 NextAttemptAt=+30s Tried=6 Attempts=6 LastError="no answer"
			fl-3: AtMost=2 NextAttemptAt=+30s Tried=6 Attempts=6 LastError="no answer"
			retry fl-1 open: no answer`},
		{"I9: an error that passes by itself and had no effect, for the third time: halved", given(sentOn("1", tried), sentOn("2", tried)), answered(refused(conflict)), `
			fl-1: AtMost=1 Call=none NextAttemptAt=+4s Tried=3 Attempts=3 LastError=conflict NotFoundAt=never
			fl-2: AtMost=1 Call=none NextAttemptAt=+4s Tried=3 Attempts=3 LastError=conflict NotFoundAt=never
			retry fl-1 open: conflict`},
		{"no answer, and shown alive before", given(sentOn("1", func(i *Incident) { i.AliveSince, i.TimesAlive, i.AbsentAt = noon, 3, time.Time{} }), sentOn("2")), answered(refused(noAnswer)), `
			fl-1: AliveSince=never TimesAlive=0 AbsentAt=now NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="no answer"
			retry fl-1 open: no answer`},
		{"refused, and none is named: halved", given(sentOn("1"), sentOn("2")), answered(refused(denied)), `
			fl-1: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not authorized"
			fl-2: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not authorized"`},
		{"refused, and one is named: that goes alone", given(sentOn("1"), sentOn("2"), sentOn("3")), answered(refused(notThere("vpc-2"))), `
			fl-1: Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2 does not exist"
			fl-2: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2 does not exist"
			fl-3: Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2 does not exist"`},
		{"refused, and two are named", given(sentOn("1"), sentOn("2"), sentOn("3")), answered(refused(notThere("vpc-2, vpc-3"))), `
			fl-1: Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2, vpc-3 does not exist"
			fl-2: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2, vpc-3 does not exist"
			fl-3: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2, vpc-3 does not exist"`},
		{"refused, and the message names a resource that is not in the call: halved", given(sentOn("1"), sentOn("2")), answered(refused(notThere("vpc-11"))), `
			fl-1: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-11 does not exist"
			fl-2: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-11 does not exist"`},
		{"I4: refused, and one is named, of a call sent twice", given(sentOn("1", twice), sentOn("2", twice)), answered(refused(notThere("vpc-2"))), `
			fl-1: Call=sent(-25s, final, T) NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2 does not exist"
			fl-2: Group="" Call=sent(-25s, final, T) NextAttemptAt=now Tried=1 Attempts=1 LastError="vpc-2 does not exist"`},
		{"I4: the token is used: AWS is asked at once for what the other call made, and an alert is due", given(sentOn("1"), sentOn("2")), answered(refused(mismatch)), `
			fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			fl-2: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			logged fl-1 blocked/token_used: mismatch
			logged fl-2 blocked/token_used: mismatch
			note stuck fl-1
			note stuck fl-2`},
		{"I4: the token is used, of a call sent twice: AWS may not show yet what the first one made, so the call stays in doubt", given(sentOn("1", twice), sentOn("2", twice, alreadyUsed)), answered(refused(mismatch)), `
			fl-1: State=blocked Reason=token_used Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Call=sent(-25s, final, T) NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch Stuck=blocked(mismatch) StuckNews=true
			fl-2: Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Call=sent(-25s, final, T) NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch
			logged fl-1 blocked/token_used: mismatch
			note stuck fl-1`},
		{"I9: the random tokens are used, too: each goes alone", given(sentOn("1", alreadyUsed, random), sentOn("2", alreadyUsed, random)), answered(refused(mismatch)), `
			fl-1: Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch
			fl-2: Advice="somebody used Flowkeeper's ClientToken f…" MismatchAt=now Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=mismatch`},
		{"refused, and one has a tag that the call lacks: it goes alone, and the others are halved", given(sentOn("1", tags("a", "1", "b", "1")), sentOn("2", tags("a", "1")), sentOn("3", tags("a", "1"))), answered(refused(denied)), `
			fl-1: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not authorized"
			fl-2: AtMost=2 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not authorized"
			fl-3: AtMost=2 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not authorized"`},
		{"refused, one is named, and all have tags that the call lacks", given(sentOn("1", tags("a", "1")), sentOn("2", tags("a", "2"))), answered(refused(Answer{Class: NeedsPerson, Reason: Permission, Message: "not for vpc-2", NoEffect: true})), `
			fl-1: Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not for vpc-2"
			fl-2: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not for vpc-2"`},
		{"refused for their parameters, and all have tags that the call lacks: halved", given(sentOn("1", tags("a", "1")), sentOn("2", tags("a", "2"))), answered(refused(Answer{Class: NeedsPerson, Reason: Invalid, Message: "invalid", NoEffect: true})), `
			fl-1: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=invalid
			fl-2: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError=invalid`},
		{"I9: AWS can't assume the role, which is the same for all: they stay together", given(sentOn("1"), sentOn("2")), answered(refused(slowRole)), `
			fl-1: Call=none NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now
			fl-2: Call=none NextAttemptAt=+1s Tried=1 Attempts=1 LastError="cannot assume" FailingSince=now`},
		{"I9: AWS can't assume the role, for the third time: halved, because one flow log may be the cause", given(sentOn("1", twoAttempts), sentOn("2", twoAttempts)), answered(refused(slowRole)), `
			fl-1: AtMost=1 Call=none NextAttemptAt=+4s Tried=1 Attempts=3 LastError="cannot assume" FailingSince=now
			fl-2: AtMost=1 Call=none NextAttemptAt=+4s Tried=1 Attempts=3 LastError="cannot assume" FailingSince=now`},
		{"I9: a permission that all need: blocked, and they stay together, whatever their tags", given(sentOn("1", tags("a", "1")), sentOn("2", tags("a", "2"))), answered(refused(passRole)), `
			fl-1: State=blocked Reason=permission Advice="allow it" Call=none NextAttemptAt=+15s Tried=1 LastError="no iam:PassRole" Stuck=blocked("no iam:PassRole") StuckNews=true
			fl-2: State=blocked Reason=permission Advice="allow it" Call=none NextAttemptAt=+15s Tried=1 LastError="no iam:PassRole" Stuck=blocked("no iam:PassRole") StuckNews=true
			logged fl-1 blocked/permission: no iam:PassRole
			logged fl-2 blocked/permission: no iam:PassRole
			note stuck fl-1
			note stuck fl-2`},
		{"I9: AWS refuses credentials that it has just accepted: halved, because one resource may be another account's", given(sentOn("1"), sentOn("2")), answered(refused(noAccess)), `
			fl-1: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not yours"
			fl-2: AtMost=1 Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="not yours"`},
		{"I9: their tags are refused: each goes alone", given(sentOn("1"), sentOn("2")), answered(refused(Answer{Class: TagRefused, Message: "no tags", NoEffect: true})), `
			fl-1: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="no tags"
			fl-2: Group="" Call=none NextAttemptAt=now Tried=1 Attempts=1 LastError="no tags"`},
		{"refused, and it may have had an effect", given(sentOn("1"), sentOn("2")), answered(refused(Answer{Class: NeedsPerson, Reason: Refused, Message: "what?"})), `
			fl-1: AtMost=1 NextAttemptAt=now Tried=1 Attempts=1 LastError=what?
			fl-2: AtMost=1 NextAttemptAt=now Tried=1 Attempts=1 LastError=what?`},

		{"another step was faster", given(sentOn("1", func(i *Incident) { i.State, i.NewID, i.Call = Restored, "fl-9", nil }), sentOn("2", otherCall), sentOn("3", func(i *Incident) { i.Call = nil })), answered(item("vpc-2", denied, newOn("1"), newOn("3"))), ``},
		{"a command was faster", given(sentOn("1", func(i *Incident) { i.State, i.Reason = Closed, Released })), answered(item("", Answer{}, newOn("1"))), ``},
		{"no incident", given(gone("fl-1")), func(c *Case) string {
			c.Sharing().ApplyCreation(Creation{Incidents: []Incident{pending("fl-1")}, Token: "T"}, CreationAnswer{}, 0.5)
			return ""
		}, ``},
		{"the clock went back", given(sentOn("1", func(i *Incident) { i.Call.At = now.Add(time.Hour) })), answered(CreationAnswer{}), `fl-1: Call=sent(now, final, T) NextAttemptAt=+1s`},
	})
}

// TestStepOfMember: what becomes of the flow log on vpc-1, which has a tag that its call lacks, and of the one on
// vpc-2, which has none.
func TestStepOfMember(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer       Answer
		namesSome    bool
		tagged, bare memberStep
	}{
		"the cause passes":              {Answer{Class: TryAgain, Message: "vpc-1 is busy"}, true, repeatCall, repeatCall},
		"a used token":                  {Answer{Class: TokenMismatch}, false, otherToken, otherToken},
		"our tag is refused":            {Answer{Class: TagRefused, Message: "vpc-1"}, true, goAlone, goAlone},
		"one is named":                  {Answer{Class: ResourceAbsent, Message: "no vpc-1"}, true, goAlone, shareNew},
		"one without tags is named":     {Answer{Class: NeedsPerson, Reason: Permission, Message: "no vpc-2"}, true, shareNew, goAlone},
		"the create is denied":          {Answer{Class: NeedsPerson, Reason: Permission}, false, goAlone, shareHalf},
		"another action is denied":      {Answer{Class: NeedsPerson, Reason: Permission, Denied: "iam:PassRole"}, false, repeatCall, repeatCall},
		"the destination is gone":       {Answer{Class: NeedsPerson, Reason: Destination}, false, repeatCall, repeatCall},
		"the role is not yet there":     {Answer{Class: RoleSlow, Reason: Role}, false, repeatCall, repeatCall},
		"one is named for such a cause": {Answer{Class: NeedsPerson, Reason: Account, Message: "vpc-2"}, true, shareNew, goAlone},
		"credentials are refused":       {Answer{Class: NeedsPerson, Reason: Credentials}, false, shareHalf, shareHalf},
		"a resource is gone":            {Answer{Class: ResourceAbsent}, false, shareHalf, shareHalf},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := tagMap("team", "a")
			tagged := Incident{ResourceID: "vpc-1", Frozen: inventory.Settings{Tags: tagMap("team", "a", "cost", "1")}}
			bare := Incident{ResourceID: "vpc-2", Frozen: inventory.Settings{Tags: shared}}
			if got := c.answer.stepOf(tagged, shared, c.namesSome); got != c.tagged {
				t.Errorf("the tagged one: step %d, want %d", got, c.tagged)
			}
			if got := c.answer.stepOf(bare, shared, c.namesSome); got != c.bare {
				t.Errorf("the one without tags of its own: step %d, want %d", got, c.bare)
			}
		})
	}
}

// TestNamesResource: a message that has vpc-12 does not name vpc-1, which is another resource.
func TestNamesResource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		message, id string
		want        bool
	}{
		{"The vpc ID 'vpc-1' does not exist", "vpc-1", true},
		{"vpc-1", "vpc-1", true},
		{"vpc-1, vpc-2", "vpc-2", true},
		{"arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1.", "vpc-1", true},
		{"vpc-12 does not exist", "vpc-1", false},
		{"vpc-12 and vpc-1 do not exist", "vpc-1", true},
		{"vpc-1-2", "vpc-1", false},
		{"vpc-1a", "vpc-1", false},
		{"vpc-1Z", "vpc-1", false},
		{"xvpc-1", "vpc-1", true},
		{"what?", "vpc-1", false},
		{"", "vpc-1", false},
		{"what?", "", false},
		{"", "", false},
	} {
		t.Run(fmt.Sprintf("%q in %q", c.id, c.message), func(t *testing.T) {
			t.Parallel()
			if got := names(c.message, c.id); got != c.want {
				t.Errorf("%q names %q: %t, want %t", c.message, c.id, got, c.want)
			}
		})
	}
}
