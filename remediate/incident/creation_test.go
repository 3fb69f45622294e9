package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"flowkeeper/inventory"
)

// lostOn adds a lost flow log on its own VPC to a case: for "7", fl-7 on vpc-7. Its create may share a call.
func lostOn(n string, change ...func(*Incident)) func(*Case) {
	i := pending("fl-"+n, append([]func(*Incident){groupable, on("vpc-" + n)}, change...)...)
	return func(c *Case) {
		c.Load([]inventory.Row{gone(i.FlowLogID, func(r *inventory.Row) { r.Settings = i.Frozen })}, []Incident{i})
	}
}

func groupable(i *Incident) { i.Group, i.AbsentAt = "e-1", noon }
func alone(i *Incident)     { i.Group = "" }

func on(resource string) func(*Incident) {
	return func(i *Incident) { i.ResourceID, i.Frozen.ResourceID = resource, resource }
}

// tags sets the frozen tags: kv has keys and values in turn.
func tags(kv ...string) func(*Incident) {
	return func(i *Incident) { i.Frozen.Tags = tagMap(kv...) }
}

func tagMap(kv ...string) map[string]string {
	out := map[string]string{}
	for pair := range slices.Chunk(kv, 2) {
		out[pair[0]] = pair[1]
	}
	return out
}

// fifty sets as many frozen tags as an AWS resource may have.
func fifty(i *Incident) {
	i.Frozen.Tags = map[string]string{}
	for n := range inventory.MostTags {
		i.Frozen.Tags[fmt.Sprint("k", n)] = "v"
	}
}

// all lists the flow logs of a case's incidents, in order.
func all(c *Case) []string { return slices.Sorted(maps.Keys(c.incidents.byID)) }

func TestGather(t *testing.T) {
	t.Parallel()
	opened := func(n string, change ...func(*Incident)) func(*Case) {
		return lostOn(n, append([]func(*Incident){alone, func(i *Incident) { i.DetectedAt, i.OpenedAt, i.Untried = now, now, true }}, change...)...)
	}
	gather := func(c *Case) string { c.Sharing().Gather("e-1", all(c)); return "" }
	twoOf := func(change func(*Incident)) *Case { return given(opened("1"), opened("2", change)) }
	play(t, []scenario{
		{"two that are alike", given(opened("1"), opened("2")), gather, `fl-1: Group=e-1 | fl-2: Group=e-1`},
		{"alike but for tags", given(opened("1", tags("a", "1")), opened("2", tags("b", "2"))), gather, `fl-1: Group=e-1 | fl-2: Group=e-1`},
		{"two pairs and one alone", given(opened("1"), opened("2", freezes(rejects)), opened("3"), opened("4", freezes(rejects)), opened("5", freezes(elsewhere))), gather,
			`fl-1: Group=e-1 | fl-3: Group=e-1 | fl-2: Group=e-1 | fl-4: Group=e-1`}, // in the order of hashes
		{"alone: its call needs no note", given(opened("1")), gather, ``},
		{"unlike the other one", twoOf(freezes(rejects)), gather, ``},
		{"on resources of different kinds", twoOf(on("subnet-1")), gather, ``},
		{"one has no incident", given(opened("1")), func(c *Case) string { c.Sharing().Gather("e-1", []string{"fl-1", "fl-2"}); return "" }, ``},
		{"I4: a create may have been sent without a note of the call", twoOf(func(i *Incident) { i.Untried = false }), gather, ``},
		{"I4: opened before", twoOf(func(i *Incident) { i.OpenedAt = noon }), gather, ``},
		{"I4: a call of it is in doubt", twoOf(func(i *Incident) { i.Call = &SentCall{Token: "T", At: noon} }), gather, ``},
		{"not open", twoOf(func(i *Incident) { i.State = Closed }), gather, ``},
		{"blocked", twoOf(func(i *Incident) { i.State = Blocked }), gather, ``},
		{"not known", twoOf(func(i *Incident) { i.Known = false }), gather, ``},
		{"of another event", twoOf(func(i *Incident) { i.EventID = "e-2" }), gather, ``},
		{"a person asked for it", twoOf(func(i *Incident) { i.Requested = true }), gather, ``},
		{"without room for our tag", twoOf(fifty), gather, ``},
		{"AWS's own tags need no room", twoOf(func(i *Incident) { fifty(i); delete(i.Frozen.Tags, "k0"); i.Frozen.Tags["aws:a"] = "b" }), gather,
			`fl-1: Group=e-1 | fl-2: Group=e-1`},
		{"I12: an event whose ID is no value of a tag", given(opened("1", strangeEvent), opened("2", strangeEvent)),
			func(c *Case) string { c.Sharing().Gather("e-1 \x00<", all(c)); return "" }, `fl-1: Group=8ab4ce5f316de14687b5090bb5adaae9 | fl-2: Group=8ab4ce5f316de14687b5090bb5adaae9`},
	})
}

func strangeEvent(i *Incident) { i.EventID = "e-1 \x00<" }

func TestCreationInput(t *testing.T) {
	t.Parallel()
	of := func(change ...func(*Incident)) (out []Incident) {
		for n, fn := range change {
			i := pending(fmt.Sprint("fl-", n+1), on(fmt.Sprint("vpc-", n+1)))
			i.Group = "e-1"
			fn(&i)
			out = append(out, i)
		}
		return out
	}
	same := func(*Incident) {}
	without50 := func(i *Incident) { fifty(i); i.Frozen.Tags["k0"] = "other" }
	for _, c := range []struct {
		name      string
		incidents []Incident
		resources string
		tags      map[string]string
	}{
		{"one incident: the create for it alone", of(tags("a", "1")), "vpc-1", tagMap("a", "1", RestoredFrom, "fl-1")},
		{"no tags", of(same, same), "vpc-1 vpc-2", tagMap(RestoredFrom, "e-1")},
		{"all tags are shared", of(tags("a", "1", "b", "2"), tags("b", "2", "a", "1")), "vpc-1 vpc-2", tagMap("a", "1", "b", "2", RestoredFrom, "e-1")},
		{"a tag that only the first has", of(tags("a", "1", "b", "2"), tags("b", "2")), "vpc-1 vpc-2", tagMap("b", "2", RestoredFrom, "e-1")},
		{"a tag that only the last has", of(same, same, tags("b", "2")), "vpc-1 vpc-2 vpc-3", tagMap(RestoredFrom, "e-1")},
		{"another value", of(tags("a", "1", "b", "2"), tags("a", "2", "b", "2")), "vpc-1 vpc-2", tagMap("b", "2", RestoredFrom, "e-1")},
		{"a tag with an empty value that only the first has", of(tags("a", ""), same), "vpc-1 vpc-2", tagMap(RestoredFrom, "e-1")},
		{"AWS's and our own are not copied", of(tags("aws:x", "1", RestoredFrom, "fl-0"), tags("aws:x", "1", RestoredFrom, "fl-0")), "vpc-1 vpc-2", tagMap(RestoredFrom, "e-1")},
		{"no room for ours", of(fifty, fifty), "vpc-1 vpc-2", of(fifty)[0].Frozen.Tags},
		{"room, as one is not shared", of(fifty, without50), "vpc-1 vpc-2", func() map[string]string {
			m := of(fifty)[0].Frozen.Tags
			delete(m, "k0")
			m[RestoredFrom] = "e-1"
			return m
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := &ec2.CreateFlowLogsInput{
				ClientToken: aws.String("token"), ResourceIds: strings.Fields(c.resources), ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: "ALL",
				LogDestinationType: "s3", LogDestination: aws.String("arn:aws:s3:::b"), LogFormat: aws.String("${version}"), MaxAggregationInterval: aws.Int32(600),
				TagSpecifications: tagSpecifications(c.tags),
			}
			before := fmt.Sprint(c.incidents)
			got := Creation{c.incidents, "token"}.Input()
			if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(ec2.CreateFlowLogsInput{}, types.Tag{}, types.TagSpecification{})); d != "" {
				t.Error(d)
			}
			if fmt.Sprint(c.incidents) != before {
				t.Error("Input has changed the incidents")
			}
		})
	}
}

// TestCreationToken: different calls have different tokens, and the same call always has the same token.
func TestCreationToken(t *testing.T) {
	t.Parallel()
	a, b, c := pending("fl-1", on("vpc-1")), pending("fl-2", on("vpc-2")), pending("fl-3", on("vpc-3"))
	next := func(i Incident) Incident { i.Generation++; return i }
	ofEvent := func(i Incident) Incident { i.Group = "e-2"; return i }
	elsewhere := func(i Incident) Incident { i.Scope.Region = "us-east-1"; return i }
	random := func(i Incident, token string) Incident { i.RandomToken = token; return i }
	token := func(key TokenKey, of ...Incident) string { return newCreation(of, key).Token }
	seen := map[string]string{}
	for name, token := range map[string]string{
		"one":                               token("key", a),
		"another one":                       token("key", b),
		"two":                               token("key", a, b),
		"two others":                        token("key", a, c),
		"three":                             token("key", a, b, c),
		"the next generation":               token("key", a, next(b)),
		"another generation":                token("key", next(a), b),
		"another event":                     token("key", ofEvent(a), ofEvent(b)),
		"another Region":                    token("key", elsewhere(a), elsewhere(b)),
		"another key":                       token("other", a, b),
		"one with a random token":           token("key", random(a, "random")),
		"two with random tokens":            token("key", random(a, "x"), random(b, "y")),
		"two with other random tokens":      token("key", random(a, "x"), random(b, "z")),
		"one with a keyed token of its own": token("key", func() Incident { i := a; i.Keyed = true; return i }()),
		"fl-11":                             token("key", func() Incident { i := a; i.FlowLogID = "fl-11"; return i }()),
		"generation 11 of fl-1":             token("key", func() Incident { i := a; i.Generation = 11; return i }()),
	} {
		if other, ok := seen[token]; ok {
			t.Errorf("%s and %s have the same token", name, other)
		}
		seen[token] = name
	}
	if got, before := token("key", a, b), "af337d2ec56fa5871f16bb689186dac008cd7c682475527328708fcd8bc841c5"; got != before {
		t.Errorf("a call that an older version has sent would be repeated with another token, %s", got)
	}
	in := []Incident{b, c, a}
	g := newCreation(in, "key")
	if g.Token != token("key", a, b, c) {
		t.Error("the order of the incidents makes another token")
	}
	if got := []string{g.Incidents[0].FlowLogID, g.Incidents[1].FlowLogID, g.Incidents[2].FlowLogID}; !slices.Equal(got, []string{"fl-1", "fl-2", "fl-3"}) {
		t.Errorf("the members are in the order %v", got)
	}
}

func TestCallKey(t *testing.T) {
	t.Parallel()
	member := func(change ...func(*Incident)) Incident {
		return pending("fl-1", append([]func(*Incident){groupable}, change...)...)
	}
	key := func(change ...func(*Incident)) string { return member(change...).CallKey() }
	sent := func(token string) func(*Incident) {
		return func(i *Incident) { i.Call = &SentCall{Token: token, At: noon} }
	}
	restored := func(kv ...string) func(*Incident) {
		return func(i *Incident) { i.State, i.NewID, i.MissingTags = Restored, "fl-2", tagMap(kv...) }
	}
	state := func(s State) func(*Incident) { return func(i *Incident) { i.State = s } }
	for name, got := range map[string]string{
		"alone": key(alone), "not known": key(unknown), "blocked, and alone": key(alone, state(Blocked)), "closed": key(state(Closed)), "closed, with a call in doubt": key(state(Closed), sent("T")),
		"restored, with all tags": key(restored()), "restored, and AWS has refused its tags": key(restored("a", "1"), func(i *Incident) { i.Attempts = 1 }),
		"verified": key(restored("a", "1"), state(Verified)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got != "" {
				t.Errorf("%q", got)
			}
		})
	}
	for got, begins := range map[string]string{key(): "like ", key(sent("T")): SentCalls, key(restored("a", "1")): TagsCalls} {
		if !strings.HasPrefix(got, begins) {
			t.Errorf("%q does not begin with %q", got, begins)
		}
	}
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"another flow log on another resource":  {key(), key(on("vpc-2"), func(i *Incident) { i.FlowLogID = "fl-2" }), true},
		"other tags":                            {key(tags("a", "1")), key(tags("b", "1")), true},
		"another generation, and tried":         {key(), key(func(i *Incident) { i.Generation, i.Tried, i.Attempts = 3, 2, 1 }), true},
		"another kind of resource":              {key(), key(on("subnet-1")), false},
		"another destination":                   {key(), key(freezes(elsewhere)), false},
		"another traffic type":                  {key(), key(freezes(rejects)), false},
		"another event":                         {key(), key(func(i *Incident) { i.Group = "e-2" }), false},
		"blocked":                               {key(), key(state(Blocked)), true},
		"a call in doubt":                       {key(sent("T")), key(), false},
		"the same call in doubt":                {key(sent("T")), key(sent("T"), freezes(rejects)), true},
		"the same call in doubt, alone by now":  {key(sent("T")), key(sent("T"), alone), true},
		"the same call in doubt, and blocked":   {key(sent("T")), key(sent("T"), state(Blocked)), true},
		"another call in doubt":                 {key(sent("T")), key(sent("U")), false},
		"they lack the same tags":               {key(restored("a", "1", "b", "2")), key(restored("b", "2", "a", "1"), freezes(rejects)), true},
		"they lack other values":                {key(restored("a", "1")), key(restored("a", "2")), false},
		"they lack other keys":                  {key(restored("a", "1")), key(restored("b", "1")), false},
		"one key with an odd value, or two":     {key(restored("a", "1\"\n\"b\"=\"2")), key(restored("a", "1", "b", "2")), false},
		"it lacks tags, and a call is in doubt": {key(restored("a", "1"), sent("T")), key(restored("a", "1")), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.a == "" || c.b == "" || (c.a == c.b) != c.same {
				t.Errorf("%q and %q", c.a, c.b)
			}
		})
	}
	for _, i := range []Incident{member(), member(alone, sent("T"))} {
		if !i.sharesCall() {
			t.Errorf("Share plans no create of %+v", i)
		}
	}
	if member(alone).sharesCall() {
		t.Error("Share plans the create of an incident without a group")
	}
}

func TestSeniority(t *testing.T) {
	t.Parallel()
	i := pending("fl-1")
	if got := i.Seniority(); !got.Equal(i.FirstSeenAt) {
		t.Errorf("the seniority is %s, want when the root was first seen, %s", got, i.FirstSeenAt)
	}
	late := i
	late.LateDestination = true
	if got, young := late.Seniority(), now.AddDate(50, 0, 0); !got.After(young) {
		t.Errorf("a flow log to a late destination has the seniority %s, want one after all others", got)
	}
	later := late
	later.FirstSeenAt = later.FirstSeenAt.Add(time.Second)
	if !late.Seniority().Before(later.Seniority()) {
		t.Error("of two flow logs to late destinations, the older one does not come first")
	}
}
