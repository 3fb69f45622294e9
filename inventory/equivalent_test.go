package inventory

import (
	"fmt"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestI3Equivalent(t *testing.T) {
	t.Parallel()
	base := Settings{
		ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: CloudWatchLogs,
		LogDestination: "arn:aws:logs:eu-west-1:111122223333:log-group:flow:*", DeliverLogsPermissionARN: "arn:aws:iam::111122223333:role/r",
		LogFormat: "${version}", MaxAggregationInterval: 60, Tags: map[string]string{"a": "1"},
	}
	bucket := Settings{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: S3, LogDestination: "arn:aws:s3:::b/p", LogFormat: "${version}", MaxAggregationInterval: 600}
	tgw := Settings{ResourceID: "tgw-attach-1", LogDestinationType: S3, LogDestination: "arn:aws:s3:::b", LogFormat: "${version}", MaxAggregationInterval: 60}
	with := func(s Settings, fn func(*Settings)) Settings { fn(&s); return s }
	for name, c := range map[string]struct {
		want, have Settings
		equal      bool
	}{
		"the same settings":             {base, base, true},
		"tags never count":              {base, with(base, func(s *Settings) { s.Tags = nil }), true},
		"by the log group's name":       {base, with(base, func(s *Settings) { s.LogDestination, s.LogGroupName = "", "flow" }), true},
		"a log group's ARN without :*":  {base, with(base, func(s *Settings) { s.LogDestination = "arn:aws:logs:eu-west-1:111122223333:log-group:flow" }), true},
		"the destination type left out": {base, with(base, func(s *Settings) { s.LogDestinationType = "" }), true},
		"other traffic":                 {base, with(base, func(s *Settings) { s.TrafficType = "REJECT" }), false},
		"other interval":                {base, with(base, func(s *Settings) { s.MaxAggregationInterval = 600 }), false},
		"other format":                  {base, with(base, func(s *Settings) { s.LogFormat = "" }), false},
		"other role":                    {base, with(base, func(s *Settings) { s.DeliverLogsPermissionARN = "" }), false},
		"other cross-account role":      {base, with(base, func(s *Settings) { s.DeliverCrossAccountRole = "x" }), false},
		"other resource":                {base, with(base, func(s *Settings) { s.ResourceID = "vpc-2" }), false},
		"tag fields":                    {base, with(base, func(s *Settings) { s.TagFieldSpecifications = []TagFieldSpecification{{"vpc", []string{"Name"}}} }), false},
		"defaults of a bucket":          {bucket, with(bucket, func(s *Settings) { s.DestinationOptions = &DestinationOptions{FileFormat: "plain-text"} }), true},
		"an old bucket's role":          {bucket, with(bucket, func(s *Settings) { s.DeliverLogsPermissionARN = "arn:old" }), true},
		"parquet":                       {bucket, with(bucket, func(s *Settings) { s.DestinationOptions = &DestinationOptions{FileFormat: "parquet"} }), false},
		"other prefix":                  {bucket, with(bucket, func(s *Settings) { s.LogDestination = "arn:aws:s3:::b/q" }), false},
		"a transit gateway's ALL":       {tgw, with(tgw, func(s *Settings) { s.TrafficType = "ALL" }), true},
		"the default format left out":   {with(base, func(s *Settings) { s.LogFormat = "" }), with(base, func(s *Settings) { s.LogFormat = defaultFormat }), true},
		"a transit gateway has another": {with(tgw, func(s *Settings) { s.LogFormat = "" }), with(tgw, func(s *Settings) { s.LogFormat = defaultFormat }), false},
		"the default interval left out": {with(base, func(s *Settings) { s.MaxAggregationInterval = 0 }), with(base, func(s *Settings) { s.MaxAggregationInterval = 600 }), true},
		"tag fields in another order": {with(base, func(s *Settings) {
			s.TagFieldSpecifications = []TagFieldSpecification{{"vpc", []string{"a", "b"}}, {"subnet", []string{"c"}}}
		}), with(base, func(s *Settings) {
			s.TagFieldSpecifications = []TagFieldSpecification{{"subnet", []string{"c"}}, {"vpc", []string{"b", "a"}}}
		}), true},
		"a transit gateway's format": {tgw, with(tgw, func(s *Settings) { s.LogFormat = "${start}" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Equivalent(scope, c.want, FlowLog{Status: "ACTIVE", Settings: c.have}); got != c.equal {
				t.Errorf("equivalent: %v; differences %v", got, Differences(scope, c.want, c.have))
			}
			if Equivalent(scope, c.want, FlowLog{Status: "", Settings: c.have}) {
				t.Error("one that is not ACTIVE counts as equivalent")
			}
		})
	}
}

// TestNormal: the normal form of a normal form is itself, and settings never
// differ from their own normal form.
func TestNormal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings(t)
		n := s.normal(scope)
		if d := Differences(scope, s, n); len(d) != 0 {
			t.Fatalf("settings differ from their normal form: %v", d)
		}
		if again := n.normal(scope); !reflect.DeepEqual(n, again) {
			t.Fatalf("normal form changes again: %+v, %+v", n, again)
		}
	})
}

// TestDigest: equal settings have equal digests, and a change of any tag,
// setting or success of delivery changes it.
func TestDigest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := FlowLog{Settings: anySettings(t)}
		b := a
		b.Tags = maps.Clone(a.Tags)
		if a.Digest() != b.Digest() {
			t.Fatal("equal settings, other digests")
		}
		b.MaxAggregationInterval++
		if a.Digest() == b.Digest() {
			t.Fatal("other settings, equal digests")
		}
		b = a
		if b.DeliverLogsStatus = "FAILED"; a.Digest() == b.Digest() {
			t.Fatal("delivery fails, equal digests")
		}
	})
}

func anySettings(t *rapid.T) Settings {
	text := rapid.StringMatching(`[a-z:*/-]{0,12}`)
	s := Settings{
		ResourceID:  rapid.SampledFrom([]string{"vpc-1", "subnet-1", "eni-1", "tgw-1", "tgw-attach-1", "nat-1"}).Draw(t, "resource"),
		TrafficType: rapid.SampledFrom([]string{"", "ALL", "ACCEPT"}).Draw(t, "traffic"), LogDestinationType: rapid.SampledFrom([]string{"", CloudWatchLogs, S3, Firehose}).Draw(t, "type"),
		LogFormat: text.Draw(t, "format"), DeliverLogsPermissionARN: text.Draw(t, "role"), DeliverCrossAccountRole: text.Draw(t, "cross"),
		MaxAggregationInterval: rapid.SampledFrom([]int32{0, 60, 600}).Draw(t, "interval"),
		Tags:                   rapid.MapOf(text, text).Draw(t, "tags"),
	}
	if rapid.Bool().Draw(t, "by name") {
		s.LogGroupName = rapid.StringMatching(`[a-z0-9_./#-]{0,12}`).Draw(t, "group") // the characters that CloudWatch Logs allows in a name
	} else {
		s.LogDestination = text.Draw(t, "destination")
	}
	if rapid.Bool().Draw(t, "options") {
		s.DestinationOptions = &DestinationOptions{FileFormat: rapid.SampledFrom([]string{"", "plain-text", "parquet"}).Draw(t, "file"), HiveCompatiblePartitions: rapid.Bool().Draw(t, "hive"), PerHourPartition: rapid.Bool().Draw(t, "hourly")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "specs") {
		s.TagFieldSpecifications = append(s.TagFieldSpecifications, TagFieldSpecification{text.Draw(t, "spec"), rapid.SliceOfN(text, 0, 3).Draw(t, "keys")})
	}
	return s
}

// TestSameTarget: AWS may refuse a second flow log only on the same resource and to the same
// destination.
func TestSameTarget(t *testing.T) {
	t.Parallel()
	a := Settings{ResourceID: "vpc-1", LogGroupName: "flow"}
	for name, c := range map[string]struct {
		b    Settings
		want bool
	}{
		"by its ARN":          {Settings{ResourceID: "vpc-1", LogDestination: a.Destination(scope) + ":*", TrafficType: "REJECT"}, true},
		"another resource":    {Settings{ResourceID: "vpc-2", LogGroupName: "flow"}, false},
		"another destination": {Settings{ResourceID: "vpc-1", LogGroupName: "other"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := SameTarget(scope, a, c.b); got != c.want {
				t.Error(got)
			}
		})
	}
}

// TestI9WholeHasFiftyTags: AWS refuses a create with more than fifty tags. An attacker who adds tags to a replacement,
// before CreateTags sets its own ones, must not prevent its restore.
func TestI9WholeHasFiftyTags(t *testing.T) {
	t.Parallel()
	row := Row{FlowLog: FlowLog{Settings: Settings{Tags: map[string]string{}}}, OwnTags: map[string]string{"env": "1", "team": "2"}}
	for n := range MostTags {
		row.Tags[fmt.Sprintf("junk%02d", n)] = "v"
	}
	if got := row.Whole().Tags; len(got) != MostTags || got["env"] != "1" || got["team"] != "2" {
		t.Errorf("%d tags, want %d with env and team: %v", len(got), MostTags, got)
	}
}

// TestWhole: a restore also sets the tags that CreateTags is still to set on a replacement. Whole does not change the
// row.
func TestWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tags, own, want map[string]string }{
		"none":          {map[string]string{"a": "1"}, nil, map[string]string{"a": "1"}},
		"one more":      {map[string]string{"a": "1"}, map[string]string{"b": "2"}, map[string]string{"a": "1", "b": "2"}},
		"no other tags": {nil, map[string]string{"b": "2"}, map[string]string{"b": "2"}},
		"another value": {map[string]string{"a": "1"}, map[string]string{"a": "2"}, map[string]string{"a": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := maps.Clone(c.tags)
			row := Row{FlowLog: FlowLog{Settings: Settings{Tags: c.tags}}, OwnTags: c.own}
			if got := row.Whole().Tags; !maps.Equal(got, c.want) || !maps.Equal(row.Tags, before) {
				t.Errorf("%v, want %v; the row has %v, want %v", got, c.want, row.Tags, before)
			}
		})
	}
}
