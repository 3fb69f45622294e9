package incident

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"flowkeeper/inventory"
)

// lacks are tags that a restored incident's replacement is to get.
func lacks(kv ...string) func(*Incident) {
	return func(i *Incident) { i.MissingTags = tagMap(kv...) }
}

func TestApplyTags(t *testing.T) {
	t.Parallel()
	// lacking is a restored flow log whose replacement lacks a tag: for "1", fl-1, restored as fl-new-1.
	lacking := func(n string, change ...func(*Incident)) func(*Case) {
		i := back("fl-"+n, "fl-new-"+n, append([]func(*Incident){lacks("a", "1")}, change...)...)
		return func(c *Case) {
			c.Load([]inventory.Row{gone(i.FlowLogID), live(i.NewID, func(r *inventory.Row) { r.OwnTags = i.MissingTags })}, []Incident{i})
		}
	}
	// tagged applies AWS's answer to a CreateTags call for all incidents of a case. The functions in meanwhile change
	// the case between the call and its answer.
	tagged := func(a Answer, meanwhile ...func(*Case)) func(*Case) string {
		return func(c *Case) string {
			var some []Incident
			for _, id := range all(c) {
				i, _ := c.Incident(id)
				some = append(some, i)
			}
			for _, change := range meanwhile {
				change(c)
			}
			c.Sharing().ApplyTags(some, a, 0.5)
			return ""
		}
	}
	set := Answer{Class: Succeeded}
	throttled := Answer{Class: TryAgain, Message: "throttled"}
	denied := Answer{Class: NeedsPerson, Reason: Permission, Message: "not authorized", Advice: "allow it"}
	notThere := Answer{Class: ResourceAbsent, Message: "fl-new-2 does not exist"}
	refused := func(i *Incident) {
		i.Reason, i.Advice, i.Attempts, i.LastError = NotTagged, "allow it", 3, "not authorized"
	}
	notDelivering := func(i *Incident) { i.Reason, i.Advice = NotDelivering, "mend it" }
	times := func(n int) func(*Incident) { return func(i *Incident) { i.Tried = n } }
	play(t, []scenario{
		{"all are set", given(lacking("1"), lacking("2", times(3))), tagged(set), `fl-1: NextAttemptAt=+2m0s MissingTags=map[] TaggedAt=now TagRounds=1 | fl-2: NextAttemptAt=+2m0s MissingTags=map[] TaggedAt=now TagRounds=1`},
		{"set, after a refusal", given(lacking("1", refused)), tagged(set), `fl-1: Reason="" Advice="" NextAttemptAt=+2m0s Attempts=0 LastError="" MissingTags=map[] TaggedAt=now TagRounds=1`},
		{"set, where AWS does not deliver", given(lacking("1", notDelivering)), tagged(set), `fl-1: NextAttemptAt=+2m0s MissingTags=map[] TaggedAt=now TagRounds=1`},
		{"set, and the clock went back: it was restored in the future", given(lacking("1", func(i *Incident) { i.RestoredAt = now.Add(time.Hour) })), tagged(set), `fl-1: NextAttemptAt=+2m0s RestoredAt=now MissingTags=map[] TaggedAt=now TagRounds=1`},
		{"throttled", given(lacking("1"), lacking("2", times(2))), tagged(throttled), `fl-1: NextAttemptAt=+1s Tried=1 LastError=throttled | fl-2: NextAttemptAt=+4s Tried=3 LastError=throttled`},
		{"throttled, alone", given(lacking("1")), tagged(throttled), `fl-1: NextAttemptAt=+1s Tried=1 LastError=throttled`},
		{"refused: each is tried alone", given(lacking("1"), lacking("2")), tagged(denied), `fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="not authorized" | fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="not authorized"`},
		{"refused, alone: a person is needed", given(lacking("1", times(1))), tagged(denied), `
			fl-1: Reason=not_tagged Advice="allow it" NextAttemptAt=+30s Tried=2 Attempts=1 LastError="not authorized"
			logged fl-1 restored/not_tagged: its own tags are not all there: not authorized
			note not tagged fl-1: not authorized`},
		{"still refused, alone", given(lacking("1", refused)), tagged(denied), `fl-1: NextAttemptAt=+4m0s Tried=1 Attempts=4`},
		{"refused, alone, where AWS does not deliver", given(lacking("1", notDelivering)), tagged(denied), `
			fl-1: Reason=not_tagged Advice="allow it" NextAttemptAt=+30s Tried=1 Attempts=1 LastError="not authorized"
			logged fl-1 restored/not_tagged: its own tags are not all there: not authorized
			note not tagged fl-1: not authorized`},
		{"one replacement is not there yet: the others are tried again at once", given(lacking("1"), lacking("2"), lacking("3")), tagged(notThere), `fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="fl-new-2 does not exist"`},
		{"not there yet, alone", given(lacking("2")), tagged(notThere), `fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="fl-new-2 does not exist"`},
		{"not there, alone, and not named", given(lacking("1")), tagged(Answer{Class: ResourceAbsent, Message: "does not exist"}), `fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="does not exist"`},
		{"one is named: the others are tried again at once", given(lacking("1"), lacking("2")), tagged(Answer{Class: NeedsPerson, Reason: Invalid, Message: "fl-new-2 has too many tags"}), `fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="fl-new-2 has too many tags"`},
		{"none of them is named", given(lacking("1"), lacking("2")), tagged(Answer{Class: NeedsPerson, Reason: Invalid, Message: "fl-new-22 has too many tags"}), `
			fl-1: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="fl-new-22 has too many tags"
			fl-2: NextAttemptAt=+1s Tried=1 Attempts=1 LastError="fl-new-22 has too many tags"`},

		{"lost meanwhile", given(lacking("1")), tagged(set, with("1", func(i *Incident) { i.State = Closed })), ``},
		{"verified meanwhile", given(lacking("1")), tagged(denied, with("1", func(i *Incident) { i.State = Verified })), ``},
		{"another step set them", given(lacking("1")), tagged(denied, with("1", func(i *Incident) { i.MissingTags = nil })), ``},
		{"restored once more meanwhile: the newer replacement lacks them", given(lacking("1")), tagged(set, with("1", func(i *Incident) { i.NewID = "fl-newer-1" })), ``},
		{"no incident", given(gone("fl-1")), func(c *Case) string {
			c.Sharing().ApplyTags([]Incident{back("fl-1", "fl-new-1", lacks("a", "1"))}, set, 0.5)
			return ""
		}, ``},
	})
}

func TestLacksTags(t *testing.T) {
	t.Parallel()
	restored := func(change ...func(*Incident)) Incident {
		return back("fl-1", "fl-2", append([]func(*Incident){lacks("a", "1")}, change...)...)
	}
	ago := func(d time.Duration) func(*Incident) { return func(i *Incident) { i.RestoredAt = now.Add(-d) } }
	for name, c := range map[string]struct {
		i             Incident
		lacks, atOnce bool
	}{
		"restored":                       {restored(), true, true},
		"restored a while ago":           {restored(ago(policy.ConsistencyWindow - 1)), true, true},
		"restored long ago":              {restored(ago(policy.ConsistencyWindow)), true, false},
		"AWS has refused them":           {restored(func(i *Incident) { i.Attempts = 1 }), true, false},
		"AWS has only throttled the try": {restored(func(i *Incident) { i.Tried = 1 }), true, true},
		"it lacks none":                  {restored(lacks()), false, false},
		"verified":                       {restored(func(i *Incident) { i.State = Verified }), false, false},
		"lost in turn":                   {restored(func(i *Incident) { i.State = Closed }), false, false},
		"open":                           {restored(func(i *Incident) { i.State = Open }), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if lacks, atOnce := c.i.LacksTags(policy, now); lacks != c.lacks || atOnce != c.atOnce {
				t.Errorf("it lacks tags: %t, at once: %t; want %t, %t", lacks, atOnce, c.lacks, c.atOnce)
			}
		})
	}
}

func TestTagBatches(t *testing.T) {
	t.Parallel()
	restored := func(n string, change ...func(*Incident)) Incident {
		return back("fl-"+n, "fl-new-"+n, append([]func(*Incident){lacks("a", "1")}, change...)...)
	}
	refused := func(i *Incident) { i.Attempts = 1 }
	var got [][]string
	for _, call := range TagBatches([]Incident{restored("1"), restored("2", lacks("b", "1")), restored("3"), restored("4", refused), restored("5", refused), restored("6", lacks("b", "1"))}) {
		var ids []string
		for _, i := range call {
			ids = append(ids, i.FlowLogID)
		}
		got = append(got, ids)
	}
	if d := gocmp.Diff([][]string{{"fl-1", "fl-3"}, {"fl-2", "fl-6"}, {"fl-4"}, {"fl-5"}}, got); d != "" {
		t.Error(d)
	}
	var many []Incident
	for n := range 2500 {
		many = append(many, restored(fmt.Sprint(n)))
	}
	var sizes []int
	for _, call := range TagBatches(many) {
		sizes = append(sizes, len(call))
	}
	if !slices.Equal(sizes, []int{1000, 1000, 500}) {
		t.Errorf("calls of %v", sizes)
	}
	if calls := TagBatches(nil); len(calls) != 0 {
		t.Errorf("calls for nothing: %v", calls)
	}
}

func TestMissingTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lost, have, want map[string]string }{
		"none":                           {nil, nil, nil},
		"all are there":                  {tagMap("a", "1"), tagMap("a", "1", "b", "2"), nil},
		"one is not there":               {tagMap("a", "1", "b", "2"), tagMap("a", "1"), tagMap("b", "2")},
		"another value":                  {tagMap("a", "1"), tagMap("a", "2"), tagMap("a", "1")},
		"an empty value":                 {tagMap("a", ""), nil, tagMap("a", "")},
		"AWS's, and our own":             {tagMap("aws:a", "1", RestoredFrom, "fl-0"), nil, nil},
		"tags that only look like AWS's": {tagMap("aws", "1", "awsome:a", "2", "AWS:a", "3"), nil, tagMap("aws", "1", "awsome:a", "2", "AWS:a", "3")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := gocmp.Diff(c.want, missingTags(c.lost, c.have)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestOwnTagsOf: CreateTags is to set the tags of the lost flow log on a flow log that a Flowkeeper has made, even if
// AWS shows it before the answer to the create is stored.
func TestOwnTagsOf(t *testing.T) {
	t.Parallel()
	ours := func(f *inventory.FlowLog) { f.Tags = tagMap(RestoredFrom, "e-1", "b", "2") }
	found := func(change ...func(*inventory.FlowLog)) func(*Case) string {
		return func(c *Case) string {
			return fmt.Sprint(c.place("vpc-1").ownTagsOf(made("fl-2", change...)))
		}
	}
	lost := pending("fl-1", tags("a", "1", "b", "2"))
	play(t, []scenario{
		{"ours", given(gone("fl-1"), lost), found(ours), `= map[a:1 b:2]`},
		{"somebody else's", given(gone("fl-1"), lost), found(), `= map[]`},
		{"ours, with all tags", given(gone("fl-1"), lost), found(ours, func(f *inventory.FlowLog) { f.Tags["a"] = "1" }), `= map[a:1 b:2]`},
		{"ours, and not equivalent", given(gone("fl-1"), lost), found(ours, rejects), `= map[]`},
		{"ours, on another resource", given(gone("fl-1"), lost), found(ours, func(f *inventory.FlowLog) { f.ResourceID = "vpc-2" }), `= map[]`},
		{"ours, and nothing is lost", given(gone("fl-1"), closed("fl-1", Released)), found(ours), `= map[]`},
		{"ours, and the snapshot does not have the lost one", given(pending("fl-1", tags("a", "1"), func(i *Incident) { i.Known = false })), found(ours), `= map[]`},
		{"ours, of a create for it alone", given(gone("fl-1"), lost), found(func(f *inventory.FlowLog) { f.Tags = tagMap(RestoredFrom, "fl-1") }), `= map[]`},
		{"ours, and nothing has reported the loss", given(live("fl-1", func(r *inventory.Row) { r.Tags, r.OwnTags = tagMap("a", "1"), tagMap("b", "2") })), found(ours), `= map[a:1 b:2]`},
		{"ours, beside a live one that is not protected", given(live("fl-1", unprotected, func(r *inventory.Row) { r.Tags = tagMap("a", "1") })), found(ours), `= map[]`},
		{"ours, beside a live one that is not equivalent", given(live("fl-1", does(rejects), func(r *inventory.Row) { r.Tags = tagMap("a", "1") })), found(ours), `= map[]`},
		{"ours, and what was lost had no tags", given(gone("fl-1"), pending("fl-1")), found(ours), `= map[]`},
		{"ours, equivalent to the second of two that are lost there", given(gone("fl-0"), pending("fl-0", freezes(rejects), tags("c", "3")), gone("fl-1"), lost), found(ours), `= map[a:1 b:2]`},
	})
}
