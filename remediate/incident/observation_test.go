package incident

import (
	"testing"
	"time"

	"flowkeeper/inventory"
)

// seen is an observation of vpc-1, now.
func seen(shown ...inventory.FlowLog) Observation {
	o := Observation{At: now, Resources: map[string]bool{"vpc-1": true}, FlowLogs: map[string]inventory.FlowLog{}}
	for _, f := range shown {
		o.FlowLogs[f.ID] = f
	}
	return o
}

// observe applies an observation of vpc-1, and returns what decide says about the observation before that.
func observe(shown ...inventory.FlowLog) func(*Case) string { return apply(seen(shown...)) }

func apply(o Observation) func(*Case) string {
	return func(c *Case) string {
		i, _ := c.Incident("fl-1")
		d := c.decideAfter(i, o)
		c.applyObservation("fl-1", o)
		return string(d.Next)
	}
}

func TestApplyObservation(t *testing.T) {
	t.Parallel()
	first := func(c *Case) { c.Complete = false }
	modeAlert := func(c *Case) { c.Policy.AlertOnly = true }
	old := seen()
	old.At = noon.Add(-time.Second)
	otherResource := seen()
	otherResource.Resources = map[string]bool{"vpc-2": true}
	waited := func(i *Incident) { i.Action, i.Waited, i.WaitUntil = Wait, time.Hour, noon }
	mine := func(r *inventory.Row) {
		r.CreatedBy, r.CreatedAt = "arn:aws:iam::111122223333:user/mallory", noon.Add(10*time.Second)
		r.LogDestination = "arn:aws:s3:::elsewhere"
	}
	usual := func(c *Case) { c.KnownDestinations = map[string]time.Time{"arn:aws:s3:::elsewhere": {}} }
	absentBefore := func(i *Incident) { i.AbsentAt = noon }
	alive := func(times int, since time.Time) func(*Incident) {
		return func(i *Incident) { i.TimesAlive, i.AliveSince = times, since }
	}
	startedAt := func(at time.Time) func(*Case) { return func(c *Case) { c.StartedAt = at } }
	sent := func(i *Incident) { i.Call = &SentCall{Token: "T", At: noon} }
	ours := func(f *inventory.FlowLog) { f.Tags = tagMap(RestoredFrom, "fl-1") }
	young := func(r *inventory.Row) { r.CreatedAt = now.Add(-30 * time.Second) }
	mismatch := func(at time.Time) func(*Incident) { return func(i *Incident) { i.MismatchAt = at } }
	play(t, []scenario{
		{"nothing is there", given(live("fl-1"), pending("fl-1")), observe(),
			`= create | row fl-1: State=gone GoneAt=now | fl-1: AbsentAt=now NextAttemptAt=now`},
		{"nothing is there, once more", given(gone("fl-1"), pending("fl-1", absentBefore)), observe(), `= create | fl-1: NextAttemptAt=now`},
		{"nothing is there, and it was seen alive before", given(live("fl-1"), pending("fl-1", alive(2, noon))), observe(),
			`= create | row fl-1: State=gone GoneAt=now | fl-1: AliveSince=never TimesAlive=0 AbsentAt=now NextAttemptAt=now`},
		{"a blocked one is tried again", given(gone("fl-1"), blocked("fl-1", Role, absentBefore)), observe(), `= create | fl-1: NextAttemptAt=now`},
		{"I5: an observation from before it was opened", given(live("fl-1"), pending("fl-1")), apply(old), `= requeue | fl-1: NextAttemptAt=now`},
		{"I5: an observation of another resource", given(live("fl-1"), pending("fl-1")), apply(otherResource), `= requeue | fl-1: NextAttemptAt=now`},

		{"I2: it is alive", given(live("fl-1"), pending("fl-1")), observe(flowLog("fl-1")), `= requeue | fl-1: AliveSince=now TimesAlive=1 NextAttemptAt=+1s`},
		{"I2: it is still alive", given(live("fl-1"), pending("fl-1", alive(1, now.Add(-5*time.Second)))), observe(flowLog("fl-1")),
			`= requeue | fl-1: TimesAlive=2 NextAttemptAt=+2s`},
		{"it is alive, after a create that found no resource", given(gone("fl-1"), pending("fl-1", func(i *Incident) { i.NotFoundAt = noon })), observe(flowLog("fl-1")),
			`= requeue | fl-1: AliveSince=now TimesAlive=1 NextAttemptAt=+1s NotFoundAt=never`},
		{"I2: it is alive, for long enough", given(live("fl-1"), pending("fl-1", alive(9, now.Add(-policy.ConsistencyWindow)))), observe(flowLog("fl-1")), `
			= close
			fl-1: State=closed Reason=still_there Advice="AWS shows it alive: the record was wrong…" NextAttemptAt=never
			logged fl-1 closed/still_there: AWS shows it alive: the record was wrong, forged or about something else`},
		{"I5: it is alive, and was taken for gone", given(gone("fl-1"), pending("fl-1", alive(9, now.Add(-policy.ConsistencyWindow)))), observe(flowLog("fl-1")), `
			= close
			row fl-1: State=live WrittenAt=now GoneAt=never
			fl-1: State=closed Reason=still_there Advice="AWS shows it alive: the record was wrong…" NextAttemptAt=never
			logged fl-1 closed/still_there: AWS shows it alive: the record was wrong, forged or about something else`},
		{"it is alive, and what counted as a decoy in its place is none", given(gone("fl-1"), pending("fl-1", alive(9, now.Add(-policy.ConsistencyWindow))), live("fl-2", unprotected)), observe(flowLog("fl-1"), flowLog("fl-2")), `
			= close
			row fl-1: State=live WrittenAt=now GoneAt=never
			row fl-2: Protected=true
			fl-1: State=closed Reason=still_there Advice="AWS shows it alive: the record was wrong…" NextAttemptAt=never
			logged fl-1 closed/still_there: AWS shows it alive: the record was wrong, forged or about something else`},

		{"never seen", given(pending("fl-1", unknown)), observe(), `
			= close
			fl-1: State=closed Reason=unknown Advice="Flowkeeper never saw this flow log: if i…" NextAttemptAt=never
			logged fl-1 closed/unknown: Flowkeeper never saw this flow log: if it should be kept, recreate it by hand`},
		{"never seen, before the first refresh", given(pending("fl-1", unknown), first), observe(), `= requeue | fl-1: NextAttemptAt=+15s`},
		{"the snapshot has it by now", given(live("fl-1"), pending("fl-1", unknown)), observe(),
			`= requeue | fl-1: ResourceID=vpc-1 Known=true Frozen=wanted FirstSeenAt=-24h1m0s LastSeenAt=-1h1m0s NextAttemptAt=now | note known fl-1`},
		{"I2: only an imported file has it", given(live("fl-1", imported), pending("fl-1", unknown)), observe(), `
			= close
			fl-1: State=closed Reason=unknown Advice="Flowkeeper never saw this flow log: if i…" NextAttemptAt=never
			logged fl-1 closed/unknown: Flowkeeper never saw this flow log: if it should be kept, recreate it by hand`},

		{"released", given(live("fl-1", released), pending("fl-1")), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=released Advice="an operator released it: 'flowkeeper res…" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/released: an operator released it: 'flowkeeper restore fl-1' puts it back`},
		{"released, and too young for AWS to show", given(live("fl-1", released, young), pending("fl-1")), observe(),
			`= hold | row fl-1: State=gone GoneAt=now | fl-1: AbsentAt=now NextAttemptAt=+1m30s`},
		{"released when last seen: a record may say otherwise", given(gone("fl-1", released, func(r *inventory.Row) { r.ReleasedAt = noon.Add(-2 * time.Hour) }),
			pending("fl-1", drifted, func(i *Incident) { i.WaitUntil = now.Add(time.Minute) }), live("fl-2", unprotected, does(rejects)), func(c *Case) { c.Policy.DriftWait = time.Hour }), observe(), `
			= close
			fl-1: State=closed Reason=released Advice="an operator released it: 'flowkeeper res…" AbsentAt=now NextAttemptAt=+1m0s
			logged fl-1 closed/released: an operator released it: 'flowkeeper restore fl-1' puts it back`},
		{"released, and a person asks for it", given(gone("fl-1", released), pending("fl-1", absentBefore, func(i *Incident) { i.Requested = true })), observe(),
			`= create | fl-1: NextAttemptAt=now`},
		{"not protected", given(live("fl-1", unprotected), pending("fl-1")), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=exempt Advice="it was not protected: a decoy, or outsid…" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/exempt: it was not protected: a decoy, or outside inventory.destinations`},
		{"closed: a flow log in its place is no decoy any more", given(live("fl-1", released), pending("fl-1"), live("fl-2", unprotected, does(rejects)), live("fl-3", excluded)), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			row fl-2: Protected=true
			fl-1: State=closed Reason=released Advice="an operator released it: 'flowkeeper res…" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/released: an operator released it: 'flowkeeper restore fl-1' puts it back`},
		{"a rule lets it be deleted", given(live("fl-1"), pending("fl-1", asked(Ignore))), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=exempt Advice="a rule lets this principal delete flow l…" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/exempt: a rule lets this principal delete flow logs`},
		{"a rule only reports it", given(live("fl-1"), pending("fl-1", asked(Alert))), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=alert_only Advice="'flowkeeper restore fl-1' puts it back" AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/alert_only: 'flowkeeper restore fl-1' puts it back`},
		{"the mode only reports it", given(live("fl-1"), pending("fl-1"), modeAlert), observe(), `
			= close
			row fl-1: State=gone GoneAt=now
			fl-1: State=closed Reason=alert_only Advice="remediate.mode is alert: 'flowkeeper res…" ModeOnly=true AbsentAt=now NextAttemptAt=never
			logged fl-1 closed/alert_only: remediate.mode is alert: 'flowkeeper restore fl-1' puts it back`},
		{"a rule waits", given(gone("fl-1"), pending("fl-1", absentBefore, func(i *Incident) { i.Action, i.WaitUntil, i.Waited = Wait, now.Add(time.Minute), time.Hour })), observe(),
			`= hold | fl-1: NextAttemptAt=+1m0s`},

		{"I3: an equivalent is there", given(live("fl-1"), pending("fl-1"), live("fl-2")), observe(made("fl-2")), `
			= adopt
			row fl-1: State=gone GoneAt=now
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored AbsentAt=now NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: two equivalents are there, and the older one is adopted", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), live("fl-3")), observe(made("fl-3", func(f *inventory.FlowLog) { f.CreatedAt = now }), made("fl-2")), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: the equivalent is not active", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2")), observe(made("fl-2", pendingDelivery)),
			`= create | fl-1: NextAttemptAt=now`},
		{"I3: the equivalent is gone itself", given(gone("fl-1"), pending("fl-1", absentBefore), gone("fl-2")), observe(made("fl-2")),
			`= create | fl-1: NextAttemptAt=now`},
		{"I3: the equivalent is lost itself", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), pending("fl-2")), observe(made("fl-2")),
			`= create | fl-1: NextAttemptAt=now`},
		{"I3: the equivalent is older than the lost one", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2")),
			observe(flowLog("fl-2", func(f *inventory.FlowLog) { f.CreatedAt = noon.Add(-48 * time.Hour) })), `= create | fl-1: NextAttemptAt=now`},
		{"I3: the equivalent is on another resource", given(gone("fl-1"), pending("fl-1", absentBefore)), observe(made("fl-2", func(f *inventory.FlowLog) { f.ResourceID = "vpc-2" })),
			`= create | fl-1: NextAttemptAt=now`},
		{"I4: a call in doubt has made it", given(gone("fl-1"), pending("fl-1", absentBefore, sent), live("fl-2")), observe(made("fl-2", ours)), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored Call=none NextAttemptAt=+2m0s NewID=fl-2 RestoredAt=now
			logged fl-1 restored: recreated as fl-2`},
		{"I4: this daemon may have made it, and died before the answer was on disk", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), startedAt(now)), observe(made("fl-2", ours)), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s NewID=fl-2 RestoredAt=-50s
			logged fl-1 restored: recreated as fl-2`},
		{"I3: this daemon did not die since the incident was opened", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), startedAt(noon)), observe(made("fl-2", ours)), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: this daemon died, and somebody else has made the equivalent", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2"), startedAt(now)), observe(made("fl-2")), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: a call is in doubt, and somebody else has made the equivalent", given(gone("fl-1"), pending("fl-1", absentBefore, sent), live("fl-2")), observe(made("fl-2")), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored Call=none NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"I3: another Flowkeeper has made the equivalent", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2")), observe(made("fl-2", ours)), `
			= adopt
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=restored NextAttemptAt=+1m10s NewID=fl-2 Adopted=true RestoredAt=-50s
			logged fl-1 restored: adopted fl-2, which does the same`},
		{"a decoy is there", given(gone("fl-1"), pending("fl-1", absentBefore), live("fl-2", unprotected, does(rejects))), observe(made("fl-2", rejects)),
			`= create | fl-1: NextAttemptAt=now`},

		{"replaced within a rule's wait", given(gone("fl-1"), pending("fl-1", absentBefore, waited), live("fl-2", mine), usual), observe(made("fl-2", elsewhere)), `
			= close
			row fl-2: Excuses=fl-1
			fl-1: State=closed Reason=replaced Advice="replaced by fl-2" NextAttemptAt=never
			logged fl-1 closed/replaced: replaced by fl-2`},
		{"I2: replaced by a flow log to a destination that was never used", given(gone("fl-1"), pending("fl-1", absentBefore, waited), live("fl-2", mine)), observe(made("fl-2", elsewhere)),
			`= create | fl-1: NextAttemptAt=now`},
		{"I2: replaced by a flow log that excused another loss", given(gone("fl-1"), pending("fl-1", absentBefore, waited), live("fl-2", mine, func(r *inventory.Row) { r.Excuses = "fl-0" }), usual), observe(made("fl-2", elsewhere)),
			`= create | fl-1: NextAttemptAt=now`},
		{"I2: replaced by a flow log to a destination that is as new as the wait", given(gone("fl-1"), pending("fl-1", absentBefore, waited), live("fl-2", mine),
			func(c *Case) {
				c.KnownDestinations = map[string]time.Time{"arn:aws:s3:::elsewhere": noon.Add(-time.Minute)}
			}), observe(made("fl-2", elsewhere)),
			`= create | fl-1: NextAttemptAt=now`},

		{"I4: another call has used the token, just now", given(gone("fl-1"), pending("fl-1", absentBefore, mismatch(now.Add(-time.Second)))), observe(),
			`= requeue | fl-1: NextAttemptAt=+5s`},
		{"I4: another call has used the token, and AWS shows nothing that it made", given(gone("fl-1"), pending("fl-1", absentBefore, mismatch(now.Add(-15*time.Second)))), observe(),
			`= next token | fl-1: Generation=1 RandomToken=2dd64fdab7df4dea7c59f6857dfe200fe04532e7… MismatchAt=never NextAttemptAt=now`},

		{"no incident", given(live("fl-1")), func(c *Case) string { c.applyObservation("fl-1", seen()); return "" }, ``},
		{"it is back meanwhile", given(gone("fl-1"), back("fl-1", "fl-2")), func(c *Case) string { c.applyObservation("fl-1", seen()); return "" }, ``},
		{"it is over meanwhile", given(gone("fl-1"), closed("fl-1", Released)), func(c *Case) string { c.applyObservation("fl-1", seen()); return "" }, ``},
	})
}

func TestUnschedule(t *testing.T) {
	t.Parallel()
	finish := func(c *Case) string { c.unschedule("fl-1"); return "" }
	due := func(i *Incident) { i.NextAttemptAt = now }
	waits := func(until time.Time) func(*Incident) {
		return func(i *Incident) { drifted(i); i.WaitUntil, i.NextAttemptAt = until, now }
	}
	formerDecoy := live("fl-2", unprotected)
	driftWait := func(c *Case) { c.Policy.DriftWait = time.Hour }
	play(t, []scenario{
		{"closed", given(closed("fl-1", Released, due), formerDecoy), finish, `row fl-2: Protected=true | fl-1: NextAttemptAt=never`},
		{"verified", given(closed("fl-1", "", due, func(i *Incident) { i.State = Verified }), formerDecoy), finish, `fl-1: NextAttemptAt=never`},
		{"released, and its record may come", given(closed("fl-1", Released, waits(now.Add(time.Minute))), formerDecoy, driftWait), finish,
			`fl-1: NextAttemptAt=+1m0s`},
		{"released, and its record did not come", given(closed("fl-1", Released, waits(now)), formerDecoy), finish,
			`row fl-2: Protected=true | fl-1: NextAttemptAt=never`},
		{"open again meanwhile", given(pending("fl-1"), formerDecoy), finish, ``},
		{"back, and not verified", given(back("fl-1", "fl-2"), formerDecoy), finish, ``},
		{"no incident", given(formerDecoy), finish, ``},
	})
}
