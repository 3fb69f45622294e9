package cloudtrail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decoded is a record of DeleteFlowLogs with more fields.
func decoded(t *testing.T, fields string) Record {
	t.Helper()
	r, err := Decode([]byte(`{` + head + `"eventName":"DeleteFlowLogs","requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"content":"fl-00000001"}}},` + fields + `}`))
	if err != nil {
		t.Fatal(fields, err)
	}
	return r
}

// TestOnlyManagementCallsAct: the category and the type of a record say whether it is a management call. A record
// without these fields is one too, because old records have none. Decode returns no flow logs for a record that is no
// call.
func TestOnlyManagementCallsAct(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		category, kind, management string
		want                       NoCall
	}{
		{`"Management"`, `"AwsApiCall"`, `true`, ""}, {`null`, `null`, `null`, ""}, {`{}`, `[]`, `{}`, ""}, {`"Management"`, `null`, `null`, ""}, {`null`, `"AwsApiCall"`, `true`, ""},
		{`"Management"`, `"AwsApiCall"`, `false`, ""}, // the category decides
		{`null`, `"AwsApiCall"`, `false`, DataEvent}, {`"Data"`, `"AwsApiCall"`, `false`, DataEvent},
		{`"Insight"`, `"AwsCloudTrailInsight"`, `null`, Insight}, {`null`, `"AwsCloudTrailInsight"`, `null`, Insight},
		{`"NetworkActivity"`, `"AwsVpceEvent"`, `null`, NetworkActivity}, {`null`, `"AwsVpceEvent"`, `null`, NetworkActivity},
		{`"Management"`, `"AwsServiceEvent"`, `true`, ServiceEvent}, {`"Management"`, `"AwsConsoleSignIn"`, `true`, SignIn},
		{`"management"`, `"AWSApiCall"`, `"True"`, ""}, {`"DATA"`, `"AwsApiCall"`, `null`, DataEvent}, {`null`, `"awsVpceEvent"`, `null`, NetworkActivity},
		{`"Management"`, `"AwsTomorrow"`, `true`, OtherRecord}, {`"Tomorrow"`, `"AwsApiCall"`, `null`, OtherRecord}, {`7`, `null`, `null`, OtherRecord},
	} {
		t.Run(c.category+", "+c.kind+", "+c.management, func(t *testing.T) {
			t.Parallel()
			r := decoded(t, fmt.Sprintf(`"eventCategory":%s,"eventType":%s,"managementEvent":%s`, c.category, c.kind, c.management))
			if r.NoCall != c.want || (len(r.FlowLogIDs) == 0) != (c.want != "") {
				t.Errorf("NoCall is %q, want %q; flow logs %v", r.NoCall, c.want, r.FlowLogIDs)
			}
			if what, why := c.want.Words(); what == "" || why == "" {
				t.Errorf("%q has no words", c.want)
			}
		})
	}
}

// TestAddendum: an addendum corrects the record of an earlier event. If it names that event, the decoded record has the
// event's ID, so that both are one event.
func TestAddendum(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		id      string
		of      *Addendum
		repeats bool
	}{
		`null`: {"6f0c", nil, false}, `"x"`: {"6f0c", nil, false},
		`{"reason":"DELIVERY_DELAY"}`:                        {"6f0c", &Addendum{EventID: "6f0c", Reason: "DELIVERY_DELAY"}, false},
		`{"reason":"UPDATED_DATA","originalEventID":{}}`:     {"6f0c", &Addendum{EventID: "6f0c", Reason: "UPDATED_DATA"}, false},
		`{"reason":"UPDATED_DATA","originalEventID":"e0"}`:   {"e0", &Addendum{EventID: "6f0c", Reason: "UPDATED_DATA"}, true},
		`{"originalEventID":"e0","updatedFields":"a, b"}`:    {"e0", &Addendum{EventID: "6f0c", Updated: "a, b"}, true},
		`{"originalEventID":"e0","updatedFields":["a","b"]}`: {"e0", &Addendum{EventID: "6f0c", Updated: "a, b"}, true},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			r := decoded(t, `"addendum":`+in)
			if d := cmp.Diff(want.of, r.Addendum); d != "" || r.EventID != want.id || r.Repeats() != want.repeats || r.FlowLogIDs[0] != "fl-00000001" {
				t.Errorf("%+v\n%s", r, d)
			}
		})
	}
}

// TestEventTimes: eventTime as CloudTrail writes it, and as tools write it that pass records on.
func TestEventTimes(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 1, 3, 12, 44, 0, time.UTC)
	for in, fraction := range map[string]time.Duration{
		"2026-03-01T03:12:44Z": 0, "2026-03-01T03:12:44.5Z": 500 * time.Millisecond, "2026-03-01T05:12:44+02:00": 0, "2026-03-01T03:12:44+0000": 0, "2026-02-28T22:12:44-0500": 0,
		"2026-03-01T04:12:44.000+01": 0, "2026-03-01 03:12:44.000": 0, "2026-03-01 03:12:44": 0, "2026-03-01 03:12:44 +0000": 0, "2026-03-01 03:12:44.250 UTC": 250 * time.Millisecond, "2026-03-01T03:12:44": 0,
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if r := decoded(t, fmt.Sprintf(`"eventTime":%q`, in)); !r.EventTime.Equal(want.Add(fraction)) || r.EventTime.Location() != time.UTC {
				t.Error(r.EventTime)
			}
		})
	}
	for _, in := range []string{"", "yesterday", "2026-03-01", "2026-03-01 ", "1772334764", "2026-13-01T00:00:00Z", strings.Repeat(" ", 50)} {
		if r := decoded(t, fmt.Sprintf(`"eventTime":%q`, in)); !r.EventTime.IsZero() {
			t.Errorf("%q: %s", in, r.EventTime)
		}
	}
}

// TestIdentities: every field of userIdentity that says who made the call is kept, in bounded length.
func TestIdentities(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Identity{
		`{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"u","identityStoreArn":"arn:s"},"credentialId":"c"}`:        {Type: "IdentityCenterUser", AccountID: "111122223333", OnBehalfOf: "u", IdentityStore: "arn:s"},
		`{"type":"SAMLUser","principalId":"p:alice","userName":"alice","identityProvider":"https://idp"}`:                                           {Type: "SAMLUser", PrincipalID: "p:alice", UserName: "alice", WebIdentity: "https://idp"},
		`{"sessionContext":{"sourceIdentity":"bob","webIdFederationData":{"federatedProvider":"arn:p","attributes":{"sub":"s","aud":"a","x":{}}}}}`: {SourceIdentity: "bob", WebIdentity: "arn:p (aud=a, sub=s)"},
		`{"sessionContext":{"webIdFederationData":{"federatedProvider":"arn:p","attributes":{}}}}`:                                                  {WebIdentity: "arn:p"},
		`{"type":"AWSService","invokedBy":"x.amazonaws.com"}`:                                                                                       {Type: "AWSService", InvokedBy: "x.amazonaws.com"},
		`{"onBehalfOf":"x","sessionContext":{"sourceIdentity":{},"webIdFederationData":[]}}`:                                                        {},
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(want, decoded(t, `"userIdentity":`+in).Identity); d != "" {
				t.Error(d)
			}
		})
	}
	var many []string
	for n := range 100 {
		many = append(many, fmt.Sprintf(`"k%03d":%q`, n, strings.Repeat("v", 1000)))
	}
	if r := decoded(t, `"userIdentity":{"sessionContext":{"webIdFederationData":{"attributes":{`+strings.Join(many, ",")+`}}}}`); len(r.Identity.WebIdentity) > maxText {
		t.Errorf("the web identity has %d bytes, want %d at most", len(r.Identity.WebIdentity), maxText)
	}
}

// TestOmittedParameters: CloudTrail leaves out request parameters that are too large, and with them the target of the
// call. The target may still be in the record's resources, or in its response elements.
func TestOmittedParameters(t *testing.T) {
	t.Parallel()
	const left = `"requestParameters":{"omitted":true,"originalSize":134217,"reason":"requestParameters too large"}`
	for name, c := range map[string]struct{ in, target, size string }{
		"a role's policy":           {other("iam", "PutRolePolicy") + left, "", "134217"},
		"a bucket, in resources":    {other("s3", "PutBucketLifecycle") + left + `,"resources":[{"ARN":"arn:aws:s3:::logs"}]`, "arn:aws:s3:::logs", "134217"},
		"without a size":            {other("sqs", "SetQueueAttributes") + `"requestParameters":{"omitted":true}`, "", ""},
		"a rule, in the answer":     {other("events", "PutRule") + left + `,"responseElements":{"ruleArn":"arn:aws:events:eu-west-1:111122223333:rule/r"}`, "arn:aws:events:eu-west-1:111122223333:rule/r", "134217"},
		"a trail, in the answer":    {other("cloudtrail", "PutEventSelectors") + left + `,"responseElements":{"trailARN":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/t"}`, "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t", "134217"},
		"an answer left out, too":   {other("events", "PutRule") + left + `,"responseElements":{"omitted":true}`, "", "134217"},
		"a parameter named omitted": {other("events", "PutTargets") + `"requestParameters":{"rule":"r","omitted":"no"}`, "r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Decode([]byte(`{` + c.in + `}`))
			if err != nil || r.Target != c.target || r.OmittedSize != c.size || r.RequestHash == "" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	r, err := Decode([]byte(`{` + head + `"eventName":"CreateFlowLogs",` + left + `,"responseElements":{"omitted":true}}`))
	if err != nil || !r.IDsUnknown || len(r.CreatedIDs) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWhereTargetsAre: the detail of a record says to which targets a rule sends now, or to which bucket a stream.
func TestWhereTargetsAre(t *testing.T) {
	t.Parallel()
	var many []string
	for n := range 50 {
		many = append(many, fmt.Sprintf(`{"id":"%d","arn":"arn:%d"}`, n, n))
	}
	for name, c := range map[string]struct{ in, want string }{
		"targets of rules":        {other("events", "PutTargets") + `"requestParameters":{"rule":"r","targets":[{"id":"1","arn":"arn:a"},{"id":"2","arn":"arn:a"},{"id":"3","arn":"arn:b","inputTransformer":{}}]}`, "to arn:a, arn:b"},
		"one target":              {other("events", "PutTargets") + `"requestParameters":{"rule":"r","targets":{"id":"1","arn":"arn:a"}}`, "to arn:a"},
		"many targets":            {other("events", "PutTargets") + `"requestParameters":{"rule":"r","targets":[` + strings.Join(many, ",") + `]}`, "to arn:0, arn:1, arn:2, arn:3, arn:4, arn:5, arn:6, arn:7, arn:8, arn:9"},
		"no targets":              {other("events", "PutTargets") + `"requestParameters":{"rule":"r"}`, ""},
		"bucket of a stream":      {other("firehose", "UpdateDestination") + `"requestParameters":{"deliveryStreamName":"r","extendedS3DestinationUpdate":{"bucketARN":"arn:x"},"s3DestinationUpdate":{"bucketARN":"arn:x"}}`, "to arn:x"},
		"stream without a bucket": {other("firehose", "UpdateDestination") + `"requestParameters":{"deliveryStreamName":"r","splunkDestinationUpdate":{}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Decode([]byte(`{` + c.in + `}`))
			if err != nil || r.Target != "r" || r.Detail != c.want {
				t.Errorf("%q of %q, %v", r.Detail, r.Target, err)
			}
		})
	}
}
