package incident

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"pgregory.net/rapid"

	"flowkeeper/inventory"
)

// cloud is a tiny AWS. It answers a repeated ClientToken as before, even if the flow logs of that call are gone by now.
// It may show a change as late as Policy.ConsistencyWindow. If a create would make a second flow log, it fails the test
// instead of refusing the call.
type cloud struct {
	t        *rapid.T
	flowLogs []*cloudFlowLog
	answers  map[string]cloudAnswer // by ClientToken
}

type cloudFlowLog struct {
	inventory.FlowLog
	taggedAt, deletedAt time.Time         // zero: never
	before              map[string]string // the tags before taggedAt
}

type cloudAnswer struct {
	input    string
	ids      []string
	notMade  []string // resources
	mismatch bool
}

func (w *cloud) alive(resource, destination string) (out []*cloudFlowLog) {
	for _, f := range w.flowLogs {
		if f.deletedAt.IsZero() && f.ResourceID == resource && f.LogDestination == destination {
			out = append(out, f)
		}
	}
	return out
}

// create makes the flow logs of a call, except on the resources in without.
func (w *cloud) create(in *ec2.CreateFlowLogsInput, without []string, now time.Time) cloudAnswer {
	token, plain := aws.ToString(in.ClientToken), *in
	plain.ClientToken = nil
	b, err := json.Marshal(plain)
	if err != nil {
		w.t.Fatal(err)
	}
	if before, ok := w.answers[token]; ok {
		before.mismatch = before.input != string(b)
		return before
	}
	a := cloudAnswer{input: string(b)}
	for _, resource := range in.ResourceIds {
		if slices.Contains(without, resource) {
			a.notMade = append(a.notMade, resource)
			continue
		}
		if there := w.alive(resource, *in.LogDestination); len(there) > 0 {
			w.t.Fatalf("I4: a second flow log on %s to %s beside %s, by token %.6s", resource, *in.LogDestination, there[0].ID, token)
		}
		s := inventory.Settings{ResourceID: resource, TrafficType: string(in.TrafficType), LogDestinationType: string(in.LogDestinationType), LogDestination: *in.LogDestination,
			LogFormat: *in.LogFormat, MaxAggregationInterval: *in.MaxAggregationInterval, Tags: map[string]string{}}
		for _, spec := range in.TagSpecifications {
			for _, tag := range spec.Tags {
				s.Tags[*tag.Key] = *tag.Value
			}
		}
		id := fmt.Sprint("fl-made-", len(w.flowLogs))
		w.flowLogs = append(w.flowLogs, &cloudFlowLog{FlowLog: inventory.FlowLog{ID: id, Scope: scope, Settings: s, Status: "ACTIVE", CreatedAt: now}})
		a.ids = append(a.ids, id)
	}
	slices.Reverse(a.ids) // in no order that AWS documents
	w.answers[token] = a
	return a
}

// useUp is another principal's call with a token. If no call had the token before, each later one is a mismatch.
func (w *cloud) useUp(token string) {
	if _, ok := w.answers[token]; !ok {
		w.answers[token] = cloudAnswer{input: "another"}
	}
}

// describe shows all flow logs. Unless fresh is set, it may show each as it was up to ConsistencyWindow ago.
func (w *cloud) describe(now time.Time, fresh bool) map[string]inventory.FlowLog {
	out := map[string]inventory.FlowLog{}
	stale := func(since time.Time) bool {
		return !fresh && !since.IsZero() && now.Sub(since) < policy.ConsistencyWindow && rapid.Bool().Draw(w.t, "stale")
	}
	for _, f := range w.flowLogs {
		there := f.deletedAt.IsZero() || stale(f.deletedAt)
		if !there || stale(f.CreatedAt) {
			continue
		}
		shown := f.FlowLog
		shown.Tags = maps.Clone(f.Tags)
		if stale(f.taggedAt) {
			shown.Tags = maps.Clone(f.before)
		}
		out[f.ID] = shown
	}
	return out
}

// tag is CreateTags.
func (w *cloud) tag(ids []string, tags map[string]string, now time.Time) Answer {
	var found []*cloudFlowLog
	for _, f := range w.flowLogs {
		if slices.Contains(ids, f.ID) {
			if !f.deletedAt.IsZero() {
				return Answer{Class: ResourceAbsent, Message: f.ID + " does not exist", NoEffect: true}
			}
			found = append(found, f)
		}
	}
	for _, f := range found {
		f.before, f.taggedAt = maps.Clone(f.Tags), now
		maps.Copy(f.Tags, tags)
	}
	return Answer{Class: Succeeded}
}
