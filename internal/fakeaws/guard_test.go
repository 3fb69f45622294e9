package fakeaws_test

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

// TestGuards: a flow log to the bucket is on the resource. Each guard refuses another set of creates because of it, in
// Unsuccessful or as an error of the call.
func TestGuards(t *testing.T) {
	t.Parallel()
	const destination, configuration, none = fakeawstest.SameDestination, fakeawstest.SameConfiguration, fakeawstest.NoGuard
	for name, c := range map[string]struct {
		create  func(*ec2.CreateFlowLogsInput)
		refused map[fakeawstest.Guard]bool
	}{
		"equal": {nil, map[fakeawstest.Guard]bool{destination: true, configuration: true}},
		"equal, by AWS's defaults": {func(in *ec2.CreateFlowLogsInput) {
			in.MaxAggregationInterval, in.DestinationOptions = aws.Int32(600), &types.DestinationOptionsRequest{FileFormat: "plain-text"}
		}, map[fakeawstest.Guard]bool{destination: true, configuration: true}},
		"other tags": {func(in *ec2.CreateFlowLogsInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "vpc-flow-log", Tags: tagsOf("k", "v")}}
		}, map[fakeawstest.Guard]bool{destination: true, configuration: true}},
		"other traffic":  {func(in *ec2.CreateFlowLogsInput) { in.TrafficType = "REJECT" }, map[fakeawstest.Guard]bool{destination: true}},
		"other interval": {func(in *ec2.CreateFlowLogsInput) { in.MaxAggregationInterval = aws.Int32(60) }, map[fakeawstest.Guard]bool{destination: true}},
		"other format":   {func(in *ec2.CreateFlowLogsInput) { in.LogFormat = aws.String("${version}") }, map[fakeawstest.Guard]bool{destination: true}},
		"other files": {func(in *ec2.CreateFlowLogsInput) {
			in.DestinationOptions = &types.DestinationOptionsRequest{FileFormat: "parquet"}
		}, map[fakeawstest.Guard]bool{destination: true}},
		"other prefix":   {func(in *ec2.CreateFlowLogsInput) { in.LogDestination = aws.String(bucketARN + "/p") }, nil},
		"other resource": {func(in *ec2.CreateFlowLogsInput) { in.ResourceIds = []string{"vpc-2"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, guard := range []fakeawstest.Guard{destination, configuration, none} {
				for _, fails := range []bool{false, true} {
					w, api, _ := testWorld(t)
					w.Configure(func(s *fakeawstest.EC2Settings) { s.Guard, s.ExistsFails = guard, fails })
					f := inS3("vpc-1", map[string]string{"Name": "first"})
					f.TrafficType = "ALL"
					w.Plant(acct, region, f)
					out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", c.create))
					refused := code(err) == "FlowLogAlreadyExists"
					if !fails && err == nil && len(out.Unsuccessful) == 1 {
						refused = *out.Unsuccessful[0].Error.Code == "FlowLogAlreadyExists"
					}
					if refused != c.refused[guard] || (len(w.FlowLogs(acct, region)) == 1) != refused {
						t.Errorf("guard %d, as an error %t: %v, %v", guard, fails, out, err)
					}
				}
			}
		})
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	w.Configure(func(s *fakeawstest.EC2Settings) { s.Quota = 2 })
	to := func(prefix string) string {
		t.Helper()
		out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", func(in *ec2.CreateFlowLogsInput) { in.LogDestination = aws.String(bucketARN + "/" + prefix) }))
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Unsuccessful) == 1 {
			return *out.Unsuccessful[0].Error.Code
		}
		return ""
	}
	for prefix, want := range []string{"", "", "FlowLogsLimitExceeded"} {
		if got := to(string(rune('a' + prefix))); got != want {
			t.Errorf("flow log %d: %q, want %q", prefix, got, want)
		}
	}
	if got := to("a"); got != "FlowLogAlreadyExists" {
		t.Errorf("a flow log that exists: %q, want FlowLogAlreadyExists although the quota is used up", got)
	}
}

// TestTagPolicy: a call that violates the tag policy has no effect on any resource.
func TestTagPolicy(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	id := w.Plant(acct, region, inS3("vpc-1", nil))
	w.Configure(func(s *fakeawstest.EC2Settings) {
		s.TagPolicy = fakeawstest.TagPolicy{Required: []string{"owner"}, Allowed: map[string][]string{"env": {"prod", "test"}}}
	})
	for name, c := range map[string]struct {
		tags []types.Tag
		code string
	}{
		"none":               {tagsOf("other", "v"), "TagPolicyViolation"},
		"a refused value":    {tagsOf("owner", "me", "env", "Prod"), "TagPolicyViolation"},
		"what it asks for":   {tagsOf("owner", "me"), "<nil>"},
		"an allowed value":   {tagsOf("owner", "me", "env", "prod"), "<nil>"},
		"an allowed, no key": {tagsOf("env", "prod"), "TagPolicyViolation"},
	} {
		t.Run(name, func(t *testing.T) {
			before, want := len(w.FlowLogs(acct, region)), map[string]string{}
			maps.Copy(want, w.FlowLogs(acct, region)[0].Tags)
			out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-2", func(in *ec2.CreateFlowLogsInput) {
				in.ResourceIds = []string{"vpc-1", "vpc-2"}
				in.LogDestination = aws.String(bucketARN + "/" + name)
				in.TagSpecifications = []types.TagSpecification{{ResourceType: "vpc-flow-log", Tags: c.tags}}
			}))
			if code(err) != c.code || err == nil && len(out.FlowLogIds) != 2 || err != nil && len(w.FlowLogs(acct, region)) != before {
				t.Errorf("create %v, %v", out, err)
			}
			_, err = api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: c.tags})
			if code(err) != c.code {
				t.Errorf("tags %v", err)
			}
			if err == nil {
				for _, tag := range c.tags {
					want[*tag.Key] = *tag.Value
				}
			}
			if tags := w.FlowLogs(acct, region)[0].Tags; !maps.Equal(tags, want) {
				t.Errorf("tags %v, want %v", tags, want)
			}
		})
	}
}
