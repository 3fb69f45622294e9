package incident

import (
	"fmt"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// found applies a refresh that shows a flow log, now.
func found(f inventory.FlowLog) func(*Case) string {
	return func(c *Case) string {
		learns := c.Rows().Learns(f.ID, c.Now)
		isNew := c.Rows().ApplyFound(f, DestinationFacts{Trusted: true}, c.Now)
		return fmt.Sprintf("new %t, learns %t", isNew, learns)
	}
}

func TestApplyFound(t *testing.T) {
	t.Parallel()
	only := func(pattern string) func(*Case) { return func(c *Case) { c.Policy.Destinations = []string{pattern} } }
	newPlace := func(c *Case) string {
		return fmt.Sprint("new ", c.Rows().ApplyFound(made("fl-1"), DestinationFacts{New: true, Trusted: true}, c.Now))
	}
	stranger := func(c *Case) string {
		return fmt.Sprint("new ", c.Rows().ApplyFound(made("fl-1"), DestinationFacts{New: true}, c.Now))
	}
	first := func(c *Case) { c.Complete = false }
	goneAt := func(before time.Duration) func(*inventory.Row) {
		return func(r *inventory.Row) { r.GoneAt = now.Add(-before) }
	}
	wasAlerted := func(i *Incident) { i.StuckAlertedAt = noon }
	ours := func(f *inventory.FlowLog) { f.Tags = tagMap(RestoredFrom, "e-1") }
	calling := func(i *Incident) { i.Call = &SentCall{Token: "T", At: noon} }
	nothingLeft := func(i *Incident) { i.NothingMadeAt = now }
	ahead := func(i *Incident) { i.NothingMadeAt = now.Add(time.Hour) }
	madeAgo := func(ago time.Duration) inventory.FlowLog {
		f := made("fl-2", ours)
		f.CreatedAt = now.Add(-ago)
		return f
	}
	play(t, []scenario{
		{"new", given(), found(made("fl-1")),
			`= new true, learns true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"I4: new, and made by a call in doubt", given(gone("fl-1"), pending("fl-1", calling)), found(made("fl-2", ours)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-1: State=restored AbsentAt=now Call=none NextAttemptAt=+2m0s NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"I4: new, made by a call in doubt, and perhaps lost by now", given(gone("fl-1"), pending("fl-1", calling), closed("fl-2", Unknown, unknown)), found(made("fl-2", ours)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-1 State=live Protected=true FirstSeenAt=now LineageSince=-24h1m0s LastSeenAt=now WrittenAt=now
			fl-2 reopened: RootID=fl-1 ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=now Call=sent(-1m0s, final, T)
			fl-1: State=restored AbsentAt=now Call=none NextAttemptAt=+2m0s NewID=fl-2 RestoredAt=now
			history fl-2 open: a create call whose answer was lost has made it (e-1)
			logged fl-1 restored: recreated as fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"new, and no call is in doubt", given(gone("fl-1"), pending("fl-1")), found(made("fl-2", ours)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, and somebody else made it", given(gone("fl-1"), pending("fl-1", calling)), found(made("fl-2")), `= new true, learns true | new row fl-2: RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, and not equivalent to the lost one", given(gone("fl-1"), pending("fl-1", calling)), found(made("fl-2", ours, elsewhere)), `
			= new true, learns true
			new row fl-2: LogDestination=arn:aws:s3:::elsewhere Tags=map[flowkeeper:restored-from:e-1] RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"I4: new, and made by an earlier call, of which an observation has shown that nothing is left", given(gone("fl-1"), back("fl-1", "fl-9", nothingLeft)), found(madeAgo(policy.ConsistencyWindow/2 + 1)), `= new false, learns true`},
		{"new, and made after the call of which nothing is left", given(gone("fl-1"), back("fl-1", "fl-9", nothingLeft)), found(madeAgo(policy.ConsistencyWindow / 2)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] CreatedAt=-1m0s RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to another destination than that of the call of which nothing is left", given(gone("fl-1"), back("fl-1", "fl-9", nothingLeft, freezes(elsewhere))), found(madeAgo(policy.ConsistencyWindow)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] CreatedAt=-2m0s RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, and the clock went back", given(gone("fl-1"), back("fl-1", "fl-9", ahead)), found(madeAgo(time.Second)), `
			= new true, learns true
			new row fl-2: Tags=map[flowkeeper:restored-from:e-1] CreatedAt=-1s RootID=fl-2 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, outside of the destinations", given(only("arn:aws:s3:::else*")), found(made("fl-1")),
			`= new true, learns true | new row fl-1: RootID=fl-1 State=live Excluded=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, within the destinations", given(only("arn:aws:s3:::b*")), found(made("fl-1")),
			`= new true, learns true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a new destination", given(), newPlace,
			`= new true | new row fl-1: RootID=fl-1 State=live Protected=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted", given(), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Held=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted, and listed", given(only("arn:aws:s3:::b*")), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Protected=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted, and not listed", given(only("arn:aws:s3:::else*")), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Excluded=true Held=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted, before the first refresh", given(first, func(c *Case) { c.Holds = false }), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted, before the first refresh of a Region an hour after another one", given(first, func(c *Case) { c.Holds, c.AccountSince = false, now.Add(-time.Hour) }), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a recipient that is not trusted, before the first refresh of a Region more than a day after another one", given(first, func(c *Case) { c.Holds, c.AccountSince = false, now.Add(-25*time.Hour) }), stranger,
			`= new true | new row fl-1: RootID=fl-1 State=live Held=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a new destination, before the first refresh", given(first), newPlace,
			`= new true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"new, to a new destination that is excluded, before the first refresh", given(first, only("arn:aws:s3:::else*")), newPlace,
			`= new true | new row fl-1: RootID=fl-1 State=live Excluded=true NewDestination=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"live, and changed", given(live("fl-1")), found(flowLog("fl-1", rejects, failing)),
			`= new false, learns false | row fl-1: TrafficType=REJECT DeliverLogsStatus=FAILED DeliverLogsErrorMessage="Access error"`},
		{"live, and unchanged", given(live("fl-1")), found(flowLog("fl-1")), `= new false, learns false`},
		{"I5: gone", given(gone("fl-1"), pending("fl-1")), found(flowLog("fl-1", rejects)), `= new false, learns false`},

		{"no decoy: the other one is live", given(live("fl-2")), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy of a lost one", given(gone("fl-2"), pending("fl-2")), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy of a lost one that a rule waits for", given(gone("fl-2"), pending("fl-2", func(i *Incident) { i.WaitUntil = now.Add(time.Hour) })), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +1h5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy that an alert has named", given(gone("fl-2"), blocked("fl-2", Decoy, func(i *Incident) { i.Stuck = &Stuck{Message: "fl-1 is in the way"}; i.StuckNews = false })), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy that an alert is to name", given(gone("fl-2"), blocked("fl-2", Decoy, func(i *Incident) { i.Stuck, i.StuckNews = &Stuck{Message: "fl-1 is in the way"}, true })), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy, where an alert has named another one", given(gone("fl-2"), blocked("fl-2", Decoy, func(i *Incident) { i.Stuck = &Stuck{Message: "fl-11 is in the way"}; i.StuckNews = false })), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"I2: a decoy of a released one, of which a record may come", given(gone("fl-2"), releaseLost("fl-2", now.Add(time.Hour))), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +1h5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy that the snapshot has already", given(live("fl-1", unprotected, does(rejects)), gone("fl-2"), pending("fl-2")), found(flowLog("fl-1", rejects)),
			`= new false, learns false`},
		{"no decoy: what was lost was never seen", given(pending("fl-2", unknown)), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"no decoy: it is equivalent", given(gone("fl-2"), pending("fl-2")), found(made("fl-1")),
			`= new true, learns true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"no decoy: it is equivalent to one of two that were lost", given(gone("fl-2"), pending("fl-2"), gone("fl-3", does(rejects)), pending("fl-3", freezes(rejects))), found(made("fl-1")),
			`= new true, learns true | new row fl-1: RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"no decoy: it delivers elsewhere", given(live("fl-2")), found(made("fl-1", elsewhere)), `
			= new true, learns true
			new row fl-1: LogDestination=arn:aws:s3:::elsewhere RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"no decoy: the other one is not protected", given(live("fl-2", unprotected)), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"I6: no decoy: the lost one was a decoy", given(gone("fl-2", unprotected), pending("fl-2")), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"a decoy of a decoy that a person wants back", given(gone("fl-2", unprotected), pending("fl-2", func(i *Incident) { i.Requested = true })), found(made("fl-1", rejects)),
			`= new true, learns true | new row fl-1: TrafficType=REJECT RootID=fl-1 State=live DecoyNotice=(of fl-2, due +5m0s) FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"no decoy: the other one is back", given(gone("fl-2"), back("fl-2", "fl-3")), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},
		{"I2: no decoy of what only a file has", given(live("fl-2", imported)), found(made("fl-1", rejects)), `
			= new true, learns true
			new row fl-1: TrafficType=REJECT RootID=fl-1 State=live Protected=true FirstSeenAt=now LastSeenAt=now WrittenAt=now`},

		{"imported", given(live("fl-1", imported)), found(flowLog("fl-1", rejects)),
			`= new false, learns true | row fl-1: TrafficType=REJECT Imported=false WrittenAt=now`},
		{"imported as gone, long ago", given(gone("fl-1", imported, goneAt(policy.ConsistencyWindow))), found(flowLog("fl-1")),
			`= new false, learns true | row fl-1: State=live Imported=false WrittenAt=now GoneAt=never`},
		{"I5: imported as gone, just now", given(gone("fl-1", imported, goneAt(policy.ConsistencyWindow-1))), found(flowLog("fl-1")), `= new false, learns false`},
		{"imported as gone, by a clock that was ahead", given(gone("fl-1", imported, goneAt(-time.Hour))), found(flowLog("fl-1")),
			`= new false, learns true | row fl-1: State=live Imported=false WrittenAt=now GoneAt=never`},
		{"imported, and lost", given(live("fl-1", imported), pending("fl-1", unknown)), found(flowLog("fl-1", rejects)), `
			= new false, learns true
			row fl-1: TrafficType=REJECT Imported=false WrittenAt=now
			fl-1: ResourceID=vpc-1 Known=true Frozen=traffic_type: "REJECT" instead of "ALL" FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s NextAttemptAt=now`},
		{"imported, and back", given(live("fl-1", imported), back("fl-1", "fl-2", wasAlerted)), found(flowLog("fl-1")), `
			= new false, learns true
			row fl-1: Imported=false WrittenAt=now
			fl-1: OpenedAt=now State=closed Reason=still_there Advice="AWS shows it alive, whatever the copy of…" Generation=1 NextAttemptAt=never NewID="" RestoredAt=never StuckAlertedAt=never
			history fl-1 closed/still_there: AWS shows it alive, whatever the copy of the state file said`},
		{"imported, and closed as released", given(live("fl-1", imported), closed("fl-1", Released)), found(flowLog("fl-1")), `
			= new false, learns true
			row fl-1: Imported=false WrittenAt=now
			fl-1: OpenedAt=now Reason=still_there Advice="AWS shows it alive, whatever the copy of…"
			history fl-1 closed/still_there: AWS shows it alive, whatever the copy of the state file said`},
		{"imported, and closed as still there", given(live("fl-1", imported), closed("fl-1", StillThere)), found(flowLog("fl-1")),
			`= new false, learns true | row fl-1: Imported=false WrittenAt=now`},
	})
}

func TestRelearn(t *testing.T) {
	t.Parallel()
	relearn := func(c *Case) string { c.Rows().Relearn("fl-1"); return "" }
	later := func(i *Incident) { i.NextAttemptAt = now.Add(time.Hour) }
	play(t, []scenario{
		{"nothing was lost", given(live("fl-1")), relearn, ``},
		{"the snapshot has it by now", given(live("fl-1"), pending("fl-1", unknown, later)), relearn,
			`fl-1: ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s NextAttemptAt=now | note known fl-1`},
		{"the snapshot has it by now, and the incident was closed", given(live("fl-1"), closed("fl-1", Unknown, unknown)), relearn, `
			fl-1 reopened: ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s
			history fl-1 open: AWS shows that there was such a flow log (e-1)
			note reopened fl-1
			note known fl-1`},
		{"the snapshot does not have it", given(pending("fl-1", unknown, later)), relearn, `fl-1: NextAttemptAt=now`},
		{"I2: only an imported file has it", given(live("fl-1", imported), pending("fl-1", unknown, later)), relearn, `fl-1: NextAttemptAt=now`},
		{"the snapshot does not have it, and the incident is closed", given(closed("fl-1", Unknown, unknown)), relearn, ``},
	})
}

func TestCreatedBy(t *testing.T) {
	t.Parallel()
	created := func(c *Case) string { c.Rows().Created("fl-1", "arn:eve"); return "" }
	robot := TelemetryRole(scope)
	madeBy := func(who string) func(*inventory.Row) { return func(r *inventory.Row) { r.CreatedBy = who } }
	waits := func(who string) func(*Case) {
		return func(c *Case) { c.Policy.Rules = []Rule{{Principal: who, Action: Wait, Wait: time.Minute}} }
	}
	late := func(r *inventory.Row) { r.FirstSeenAt = noon.Add(10 * time.Second) }
	young := func(r *inventory.Row) { r.CreatedAt, r.FirstSeenAt = noon.Add(-time.Second), noon.Add(-time.Second) }
	play(t, []scenario{
		{"its maker was not known before", given(live("fl-1")), created, `row fl-1: CreatedBy=arn:eve`},
		{"I2: a record named another maker before", given(live("fl-1", func(r *inventory.Row) { r.CreatedBy = "arn:bob" })), created, ``},
		{"I2: a rule waits for the maker that a record named before: the new maker counts", given(live("fl-1", madeBy("arn:ci")), waits("arn:ci")), created, `row fl-1: CreatedBy=arn:eve`},
		{"I2: a rule waits for the maker that a record names now: the earlier maker counts", given(live("fl-1", madeBy("arn:bob")), waits("arn:eve")), created, ``},
		{"I2: it counted as made by AWS's role, in the place of a lost one", given(live("fl-1", does(rejects), madeBy(robot), late), gone("fl-2"), pending("fl-2")), created,
			`row fl-1: Protected=false CreatedBy=arn:eve DecoyNotice=(of fl-2, due +5m0s)`},
		{"I2: it counted as made by AWS's role, after the loss", given(live("fl-1", does(rejects), madeBy(robot), young), gone("fl-2"), pending("fl-2")), created,
			`row fl-1: Protected=false CreatedBy=arn:eve DecoyNotice=(of fl-2, due +5m0s)`},
		{"it counted as made by AWS's role, before the loss", given(live("fl-1", does(rejects), madeBy(robot)), gone("fl-2"), pending("fl-2")), created, `row fl-1: CreatedBy=arn:eve`},
		{"it counted as made by AWS's role, and is equivalent to the lost one", given(live("fl-1", madeBy(robot), late), gone("fl-2"), pending("fl-2")), created, `row fl-1: CreatedBy=arn:eve`},
		{"it counted as made by AWS's role, and is lost itself", given(gone("fl-1", does(rejects), madeBy(robot), late), pending("fl-1", freezes(rejects)), gone("fl-2"), pending("fl-2")), created,
			`row fl-1: Protected=false CreatedBy=arn:eve`},
		{"made by AWS's role, and gone by now: no decoy", given(gone("fl-1", unprotected, func(r *inventory.Row) { r.DecoyNotice = &inventory.DecoyNotice{Due: now} })),
			func(c *Case) string { c.Rows().Created("fl-1", robot); return "" }, `row fl-1: CreatedBy=arn:aws:iam::111122223333:role/aws-servi… DecoyNotice=none`},
		{"a blocked incident on its resource is due", given(live("fl-1"), gone("fl-2"), blocked("fl-2", Limit)), created,
			`row fl-1: CreatedBy=arn:eve | fl-2: NextAttemptAt=now`},
		{"a record of its deletion came first", given(live("fl-1"), pending("fl-1", unknown)), created, `
			row fl-1: CreatedBy=arn:eve
			fl-1: ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s NextAttemptAt=now
			note known fl-1`},
		{"a record of its deletion came after the snapshot had it", given(live("fl-1"), pending("fl-1")), created, `row fl-1: CreatedBy=arn:eve`},
		{"unknown", given(blocked("fl-2", Limit, unknown)), created, ``},
	})
}

// TestProtectShownByARefresh: after a complete refresh AWS counts as having shown all live flow logs together. That
// does not hold for a row that became live just before the refresh: it stays live even if AWS did not list it.
func TestProtectShownByARefresh(t *testing.T) {
	t.Parallel()
	refresh := now.Add(-time.Minute)
	shown := func(c *Case) string { c.Rows().ProtectShown([]string{"fl-1"}); return "" }
	times := func(created, written, first time.Duration) func(*inventory.Row) {
		return func(r *inventory.Row) {
			r.CreatedAt, r.WrittenAt, r.FirstSeenAt, r.LastSeenAt = refresh.Add(-created), refresh.Add(-written), refresh.Add(-first), refresh.Add(-first)
		}
	}
	settle := policy.ConsistencyWindow
	beside := func(decoy, other func(*inventory.Row)) *Case {
		return given(live("fl-1", does(rejects), unprotected, decoy), live("fl-2", other), refreshedAt(refresh))
	}
	long, lately := times(2*settle, settle+1, settle+1), times(2*settle, settle-1, settle-1)
	const isProtected = `row fl-1: Protected=true`
	play(t, []scenario{
		{"both are there for long", beside(long, long), shown, isProtected},
		{"the other one was made just before", beside(long, times(settle-1, settle-1, 0)), shown, ``},
		{"I6: the decoy became live just before, and may be gone", beside(lately, long), shown, ``},
		{"I6: the other one became live just before, and may be gone", beside(long, lately), shown, ``},
		{"I6: the other one became live as long before as a listing may lack it", beside(long, times(2*settle, settle, settle)), shown, ``},
		{"I6: the decoy became live just before, and a record names its maker after the refresh", beside(lately, long),
			func(c *Case) string { c.Rows().Created("fl-1", "arn:eve"); return shown(c) }, `row fl-1: CreatedBy=arn:eve`},
		{"the decoy was first listed by it", beside(times(2*settle, 0, 0), long), shown, isProtected},
	})
}

// TestStuckAlerted: an alert that names a decoy clears the notice of that decoy, and of no other.
func TestStuckAlerted(t *testing.T) {
	t.Parallel()
	notice := func(r *inventory.Row) {
		unprotected(r)
		r.DecoyNotice = &inventory.DecoyNotice{Of: "fl-9", Due: now}
	}
	wasAlerted := func(i *Incident) { i.Stuck, i.StuckNews = &Stuck{Message: "fl-1 is in the way"}, false }
	alerted := func(c *Case) string {
		i, _ := c.Incident("fl-9")
		c.Rows().StuckAlerted([]Incident{i})
		return ""
	}
	decoys := func(change func(*Incident)) *Case {
		return given(live("fl-1", does(rejects), notice), live("fl-11", does(rejects), notice), gone("fl-9"), blocked("fl-9", Decoy, wasAlerted, change))
	}
	play(t, []scenario{
		{"the alert has named fl-1", decoys(func(*Incident) {}), alerted, `row fl-1: DecoyNotice=none`},
		{"the alert that names fl-1 is still to come", decoys(func(i *Incident) { i.StuckNews = true }), alerted, ``},
		{"the alert had another reason", decoys(func(i *Incident) { i.LastError = "you are not authorized" }), alerted, ``},
	})
}

// TestManyDecoysOnOneResource: an attacker makes thousands of decoys on one resource. ProtectShown, which runs after
// each refresh, must take seconds for them, and not hours.
func TestManyDecoysOnOneResource(t *testing.T) {
	t.Parallel()
	c, ids := given(gone("fl-lost"), pending("fl-lost")), make([]string, 3000)
	for n := range ids {
		ids[n] = fmt.Sprintf("fl-%d", n)
		c.Load([]inventory.Row{live(ids[n], unprotected, does(rejects))}, nil)
	}
	c.Rows().ProtectShown(ids)
	if rows, _ := c.Changes(); len(rows) != 0 {
		t.Errorf("%d rows are changed, want none", len(rows))
	}
}

func TestApprove(t *testing.T) {
	t.Parallel()
	approve := func(c *Case) string { c.Rows().Approve("fl-1"); return "" }
	play(t, []scenario{
		{"held", given(live("fl-1", held)), approve, `row fl-1: Protected=true Held=false`},
		{"held and excluded", given(live("fl-1", held, excluded)), approve, `row fl-1: Held=false`},
		{"held, and a decoy", given(live("fl-1", held, does(rejects)), gone("fl-2"), pending("fl-2")), approve, `row fl-1: Held=false DecoyNotice=(of fl-2, due +5m0s)`},
		{"gone", given(gone("fl-1", held)), approve, `row fl-1: Held=false`},
		{"not held", given(live("fl-1", unprotected)), approve, ``},
		{"unknown", given(), approve, ``},
	})
}

func TestExclude(t *testing.T) {
	t.Parallel()
	exclude := func(c *Case) string { c.Rows().Exclude("fl-1"); return "" }
	outside := func(c *Case) { c.Policy.Destinations = []string{"arn:aws:s3:::else*"} }
	play(t, []scenario{
		{"outside of the destinations", given(live("fl-1"), outside), exclude, `row fl-1: Protected=false Excluded=true`},
		{"within the destinations again", given(live("fl-1", excluded)), exclude, `row fl-1: Protected=true Excluded=false`},
		{"within the destinations again, but a decoy", given(live("fl-1", excluded, does(rejects)), gone("fl-2"), pending("fl-2")), exclude,
			`row fl-1: Excluded=false DecoyNotice=(of fl-2, due +5m0s)`},
		{"gone", given(gone("fl-1"), outside), exclude, ``},
		{"unknown", given(outside), exclude, ``},
	})
}
