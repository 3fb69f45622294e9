package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	verify := func(shown ...inventory.FlowLog) func(*Case) string {
		return func(c *Case) string { c.verify("fl-1", seen(shown...)); return "" }
	}
	ago := func(d time.Duration) func(*Incident) {
		return func(i *Incident) { i.RestoredAt = now.Add(-d) }
	}
	settled, verified := ago(policy.ConsistencyWindow), ago(policy.VerifyAfter)
	confirmed := func(i *Incident) { i.Confirmed = true }
	adopted := func(i *Incident) { i.Adopted = true }
	troubled := func(i *Incident) {
		i.Confirmed, i.Reason, i.Advice, i.Attempts, i.LastError = true, NotDelivering, "mend it", 2, "throttled"
	}
	known := func(r *inventory.Row) {
		r.FailingAlerted, r.DeliverLogsStatus, r.DeliverLogsErrorMessage = true, "FAILED", "Access error"
	}
	tagged := func(kv ...string) func(*inventory.FlowLog) {
		return func(f *inventory.FlowLog) { f.Tags = tagMap(kv...) }
	}
	taggedAgo := func(d time.Duration) func(*Incident) { return func(i *Incident) { i.TaggedAt = now.Add(-d) } }
	rounds := func(n int) func(*Incident) { return func(i *Incident) { i.TagRounds = n } }
	lacking := func(kv ...string) inventory.Row {
		return live("fl-2", func(r *inventory.Row) { r.RootID, r.OwnTags = "fl-1", tagMap(kv...) })
	}
	missing := func(i *Incident) { i.Tried, i.StuckAlertedAt, i.MissingSince = 3, noon, noon.Add(-time.Hour) }
	fl1, fl2 := gone("fl-1"), live("fl-2", func(r *inventory.Row) { r.RootID = "fl-1" })
	play(t, []scenario{
		{"shown, and too young to be verified", given(fl1, fl2, back("fl-1", "fl-2", settled)), verify(made("fl-2")),
			`fl-1: NextAttemptAt=+8m0s Confirmed=true`},
		{"shown for long enough", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed)), verify(made("fl-2")),
			`fl-1: State=verified NextAttemptAt=never VerifiedAt=now | logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"shown for long enough, and not active", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed)), verify(made("fl-2", pendingDelivery)),
			`fl-1: NextAttemptAt=+1m0s`},
		{"it does not deliver", given(fl1, fl2, back("fl-1", "fl-2", settled)), verify(made("fl-2", failing)), `
			row fl-2: DeliverLogsStatus=FAILED DeliverLogsErrorMessage="Access error" FailingAlerted=true
			fl-1: Reason=not_delivering Advice="AWS can't deliver (Access error): see th…" NextAttemptAt=+15m0s Confirmed=true
			logged fl-1 restored/not_delivering: not delivering: Access error
			note not delivering fl-1: Access error`},
		{"it still does not deliver", given(fl1, live("fl-2", known), back("fl-1", "fl-2", verified, troubled)), verify(made("fl-2", failing)),
			`fl-1: Advice="AWS can't deliver (Access error): see th…" NextAttemptAt=+15m0s Attempts=0 LastError=""`},
		{"it does not deliver, and the snapshot has no row of it", given(fl1, back("fl-1", "fl-2", settled)), verify(made("fl-2", failing)), `
			fl-1: Reason=not_delivering Advice="AWS can't deliver (Access error): see th…" NextAttemptAt=+15m0s Confirmed=true
			logged fl-1 restored/not_delivering: not delivering: Access error`},
		{"it delivers again", given(fl1, fl2, back("fl-1", "fl-2", verified, troubled)), verify(made("fl-2")), `
			fl-1: State=verified Reason="" Advice="" NextAttemptAt=never Attempts=0 LastError="" VerifiedAt=now
			logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"I5: not shown yet", given(fl1, fl2, back("fl-1", "fl-2", ago(policy.ConsistencyWindow-1))), verify(), `fl-1: NextAttemptAt=+1s`},
		{"I5: not shown, but AWS was asked too early", given(fl1, fl2, back("fl-1", "fl-2", settled)), func(c *Case) string {
			o := seen()
			o.At = now.Add(-time.Second)
			c.verify("fl-1", o)
			return ""
		}, ``},
		{"I4: not shown after the consistency window, and never before", given(fl1, fl2, back("fl-1", "fl-2", settled, missing)), verify(), `
			row fl-2: LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 LastSeenAt=-2m0s Action=restore Tried=3 MissingSince=-1h1m0s StuckAlertedAt=-1m0s
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: not shown any more", given(fl1, fl2, back("fl-1", "fl-2", settled, confirmed)), verify(), `
			row fl-2: LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 LastSeenAt=-2m0s Action=restore
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: adopted, and not shown any more", given(fl1, fl2, back("fl-1", "fl-2", settled, adopted)), verify(), `
			row fl-2: LineageSince=-24h1m0s WrittenAt=now
			fl-2 opened: Source=drift EventID=lost-fl-2 LastSeenAt=-2m0s Action=restore
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never
			history fl-2 open: its replacement was lost in turn (lost-fl-2)
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2
			note lineage fl-2
			note reopened fl-2
			note overdue fl-2
			note known fl-2`},
		{"I4: not shown, and a record named it", given(fl1, fl2, back("fl-1", "fl-2", settled), pending("fl-2")), verify(), `
			row fl-2: LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"I4: not shown, and lost for good", given(fl1, gone("fl-2"), back("fl-1", "fl-2", settled), closed("fl-2", Released)), verify(), `
			row fl-2: RootID=fl-1 LineageSince=-24h1m0s WrittenAt=now
			fl-1: State=closed Reason=superseded Advice="its replacement was lost in turn: see fl…" NextAttemptAt=never
			logged fl-1 closed/superseded: its replacement was lost in turn: see fl-2`},
		{"its own tags are not all there", given(fl1, fl2, back("fl-1", "fl-2", verified, tags("a", "1", "b", "2"))), verify(made("fl-2", tagged("a", "1"))), `fl-1: Confirmed=true MissingTags=map[b:2]`},
		{"somebody has changed a tag since: that stays", given(fl1, fl2, back("fl-1", "fl-2", verified, tags("a", "1", "b", "2"))), verify(made("fl-2", tagged("a", "1", "b", "3"))), `
			fl-1: State=verified Advice="not all of its tags are as they were (b …" NextAttemptAt=never Confirmed=true VerifiedAt=now
			logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"somebody has taken them away again and again: that stays, and the advice says so", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, tags("a", "1", "b", "2"), rounds(mostTagRounds), taggedAgo(policy.ConsistencyWindow))), verify(made("fl-2", tagged("a", "1"))), `
			fl-1: State=verified Advice="not all of its tags are as they were (b …" NextAttemptAt=never VerifiedAt=now
			logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"somebody has taken them away, and one round is left", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, tags("a", "1"), rounds(mostTagRounds-1), taggedAgo(policy.ConsistencyWindow))), verify(made("fl-2")), `fl-1: MissingTags=map[a:1]`},
		{"the last round was so recent that AWS may not show its tags", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", verified, confirmed, tags("a", "1"), rounds(mostTagRounds), taggedAgo(policy.ConsistencyWindow-1))), verify(made("fl-2")), `fl-1: NextAttemptAt=+1s`},
		{"its tags are not there, but were set so recently that AWS may not show them", given(fl1, fl2, back("fl-1", "fl-2", verified, tags("a", "1"), taggedAgo(policy.ConsistencyWindow-1))), verify(made("fl-2")), `fl-1: NextAttemptAt=+1s Confirmed=true`},
		{"its tags are not there, and were set long ago", given(fl1, fl2, back("fl-1", "fl-2", verified, tags("a", "1"), taggedAgo(policy.ConsistencyWindow))), verify(made("fl-2")), `fl-1: Confirmed=true MissingTags=map[a:1]`},
		{"its tags are not there, and the snapshot has no row of it", given(fl1, back("fl-1", "fl-2", verified, tags("a", "1"))), verify(made("fl-2")), `fl-1: Confirmed=true MissingTags=map[a:1]`},
		{"its tags are not there, and it does not deliver", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, tags("a", "1"))), verify(made("fl-2", failing)), `
			row fl-2: DeliverLogsStatus=FAILED DeliverLogsErrorMessage="Access error" FailingAlerted=true
			fl-1: Reason=not_delivering Advice="AWS can't deliver (Access error): see th…" NextAttemptAt=+15m0s
			logged fl-1 restored/not_delivering: not delivering: Access error
			note not delivering fl-1: Access error`},
		{"its tags are there", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", verified, confirmed, tags("a", "1"))), verify(made("fl-2", tagged("a", "1", "c", "3"))), `fl-1: NextAttemptAt=+2m0s TaggedAt=now`},
		{"a person has set the tags that AWS refused to us", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", verified, confirmed, tags("a", "1"), taggedAgo(policy.ConsistencyWindow), func(i *Incident) { i.Reason, i.MissingTags = NotTagged, tagMap("a", "1") })), verify(made("fl-2", tagged("a", "1"))), `
			row fl-2: Tags=map[a:1] CreatedAt=-50s OwnTags=map[]
			fl-1: State=verified Reason="" NextAttemptAt=never VerifiedAt=now MissingTags=map[]
			logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"its tags are there, for so long that every observation shows them", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", verified, confirmed, tags("a", "1"), taggedAgo(policy.ConsistencyWindow))), verify(made("fl-2", tagged("a", "1", "c", "3"))), `
			row fl-2: Tags=map[a:1 c:3] CreatedAt=-50s OwnTags=map[]
			fl-1: State=verified NextAttemptAt=never VerifiedAt=now
			logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"its tags are there, but so recently that a stale listing may show fewer", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", verified, confirmed, tags("a", "1"), taggedAgo(policy.ConsistencyWindow-1))), verify(made("fl-2", tagged("a", "1"))), `fl-1: NextAttemptAt=+1s`},
		{"its tags are there, and it is too young to be verified", given(fl1, lacking("a", "1"), back("fl-1", "fl-2", settled, confirmed, tags("a", "1"))), verify(made("fl-2", tagged("a", "1"))), `fl-1: NextAttemptAt=+2m0s TaggedAt=now`},
		{"AWS's own tags are never there", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, tags("aws:a", "1", RestoredFrom, "fl-0"))), verify(made("fl-2")), `fl-1: State=verified NextAttemptAt=never VerifiedAt=now | logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"adopted: it has the tags that its maker wants", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, adopted, tags("a", "1"))), verify(made("fl-2")), `fl-1: State=verified NextAttemptAt=never VerifiedAt=now | logged fl-1 verified: fl-2 is active and no failure of delivery is known`},
		{"adopted, and a Flowkeeper made it", given(fl1, fl2, back("fl-1", "fl-2", verified, confirmed, adopted, tags("a", "1"))), verify(made("fl-2", tagged(RestoredFrom, "e-1"))), `fl-1: MissingTags=map[a:1]`},
		{"open again meanwhile", given(fl1, fl2, pending("fl-1")), verify(made("fl-2")), ``},
		{"no incident", given(fl1, fl2), verify(made("fl-2")), ``},
	})
}

func TestTagsAdvice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lost, have map[string]string
		want       string
	}{
		"all are there":                         {tagMap("a", "1"), tagMap("a", "1", "b", "2"), ""},
		"AWS's, and our own":                    {tagMap("aws:a", "1", RestoredFrom, "fl-0"), nil, ""},
		"two are missing":                       {tagMap("b", "1", "a", ""), nil, "a, b are missing"},
		"one is missing":                        {tagMap("a", "1"), nil, "a is missing"},
		"one is missing, one has another value": {tagMap("a", "1", "b", "1"), tagMap("a", "2"), "b is missing; a has another value"},
		"two have other values":                 {tagMap("a", "1", "b", "1"), tagMap("a", "2", "b", ""), "a, b have other values"},
		"many are missing":                      {tagMap("1", "", "2", "", "3", "", "4", "", "5", "", "6", ""), nil, "1, 2, 3, 4, 5 and 1 more are missing"},
		"a long key with an escape":             {tagMap("\x1b"+strings.Repeat("k", 128), ""), nil, `\x1b` + strings.Repeat("k", 35) + "… is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ""
			if c.want != "" {
				want = "not all of its tags are as they were (" + c.want + "): " + tagsWereChanged
			}
			if got := tagsAdvice(c.lost, c.have); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestDeliveryAdvice(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"Rate limited":  "AWS can't deliver (Rate limited): CloudWatch Logs throttles it, or the account has no room for more log groups",
		"Unknown error": "AWS can't deliver (Unknown error): an error of AWS's own; ask AWS Support if it lasts",
		"Access error":  "AWS can't deliver (Access error): see the destination's policy and the delivery role",
		"a\nb":          "AWS can't deliver (a b): see the destination's policy and the delivery role",
	} {
		t.Run(fmt.Sprintf("%q", message), func(t *testing.T) {
			t.Parallel()
			if got := deliveryAdvice(message); got != want {
				t.Errorf("%q", got)
			}
		})
	}
}
