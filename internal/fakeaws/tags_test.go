package fakeaws_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"flowkeeper/internal/fakeaws"
)

// tagsOf returns tags of keys and values, which follow each other.
func tagsOf(pairs ...string) (tags []types.Tag) {
	for n := 0; n < len(pairs); n += 2 {
		tags = append(tags, types.Tag{Key: &pairs[n], Value: &pairs[n+1]})
	}
	return tags
}

// manyTags returns n tags whose keys begin with prefix.
func manyTags(prefix string, n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint(prefix, i)] = "v"
	}
	return tags
}

func inS3(resource string, tags map[string]string) fakeaws.FlowLog {
	return fakeaws.FlowLog{ResourceID: resource, LogDestinationType: "s3", LogDestination: bucketARN, Tags: tags}
}

func TestCreateTags(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	_, arn := w.CreateQueue(acct, region, "q", nil)
	w.TrailTo(arn)
	one := w.Plant(acct, region, inS3("vpc-1", map[string]string{"Name": "old", "team": "net"}))
	other := w.Plant(acct, region, inS3("vpc-2", nil))
	if _, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{one, other}, Tags: tagsOf("Name", "new", "empty", "")}); err != nil {
		t.Fatal(err)
	}
	for n, want := range []map[string]string{{"Name": "new", "team": "net", "empty": ""}, {"Name": "new", "empty": ""}} {
		if got := w.FlowLogs(acct, region)[n].Tags; !maps.Equal(got, want) {
			t.Errorf("tags %v, want %v", got, want)
		}
	}
	if calls := w.Calls("CreateTags"); len(calls) != 1 || len(calls[0].IDs) != 2 {
		t.Errorf("calls %+v", calls)
	}
	record := receive(t, w)
	items := at(record, "requestParameters", "resourcesSet", "items").([]any)
	if len(items) != 2 || at(items[1], "resourceId") != other || at(record, "responseElements", "_return") != true || record["eventName"] != "CreateTags" {
		t.Errorf("record %v", record)
	}
	if items := at(record, "requestParameters", "tagSet", "items").([]any); len(items) != 2 || at(items[0], "key") != "Name" || at(items[0], "value") != "new" {
		t.Errorf("tags of the record %v", items)
	}
}

// TestCreateTagsRefuses: a call that is refused, even because of one flow log or tag, changes none of the flow logs.
func TestCreateTagsRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resources []string // fl-1 exists and has no tags, fl-50 exists and has the 50 tags that are allowed
		tags      []types.Tag
		change    func(*ec2.CreateTagsInput)
		code      string
	}{
		"unknown":           {[]string{"fl-1", "fl-2"}, tagsOf("k", "v"), nil, "InvalidFlowLogId.NotFound"},
		"no flow log":       {[]string{"fl-1", "vpc-1"}, tagsOf("k", "v"), nil, "InvalidID"},
		"AWS's own":         {[]string{"fl-1"}, tagsOf("k", "v", "aws:x", "v"), nil, "InvalidParameterValue"},
		"a key twice":       {[]string{"fl-1"}, tagsOf("k", "v", "k", "w"), nil, "InvalidParameterValue"},
		"an empty key":      {[]string{"fl-1"}, tagsOf("", "v"), nil, "InvalidParameterValue"},
		"a long key":        {[]string{"fl-1"}, tagsOf(strings.Repeat("é", 129), "v"), nil, "InvalidParameterValue"},
		"a long value":      {[]string{"fl-1"}, tagsOf("k", strings.Repeat("é", 257)), nil, "InvalidParameterValue"},
		"the 51st of one":   {[]string{"fl-1", "fl-50"}, tagsOf("k", "v"), nil, "TagLimitExceeded"},
		"1,001 IDs":         {strings.Split(strings.Repeat("fl-1,", 1000)+"fl-1", ","), tagsOf("k", "v"), nil, "InvalidParameterValue"},
		"no resource":       {[]string{}, tagsOf("k", "v"), nil, "MissingParameter"},
		"no tag":            {[]string{"fl-1"}, []types.Tag{}, nil, "MissingParameter"},
		"a dry run":         {[]string{"fl-1"}, tagsOf("k", "v"), func(in *ec2.CreateTagsInput) { in.DryRun = aws.Bool(true) }, "DryRunOperation"},
		"a key that it has": {[]string{"fl-50"}, tagsOf("k0", "changed"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, api, _ := testWorld(t)
			f := inS3("vpc-1", nil)
			f.ID = "fl-1"
			w.Plant(acct, region, f)
			f = inS3("vpc-2", manyTags("k", 50))
			f.ID, f.Tags["aws:cloudformation:stack-name"] = "fl-50", "s" // AWS's own tags do not count
			w.Plant(acct, region, f)
			in := &ec2.CreateTagsInput{Resources: c.resources, Tags: c.tags}
			if c.change != nil {
				c.change(in)
			}
			_, err := api.CreateTags(t.Context(), in)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if code(err) != c.code {
				t.Errorf("answered %v, want %s", err, c.code)
			}
			if got := w.FlowLogs(acct, region); len(got[0].Tags) != 0 || len(got[1].Tags) != 51 {
				t.Errorf("tags after a refusal: %v, %v", got[0].Tags, got[1].Tags)
			}
		})
	}
}

func TestCreateTagsDenied(t *testing.T) {
	t.Parallel()
	w, api, _ := testWorld(t)
	id := w.Plant(acct, region, inS3("vpc-1", nil))
	w.Deny("mallory", "ec2:CreateTags")
	_, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: tagsOf("k", "v")})
	if code(err) != "UnauthorizedOperation" || !strings.HasSuffix(err.Error(), "is not authorized to perform: ec2:CreateTags") {
		t.Error(err)
	}
	if calls := w.Calls("CreateTags"); len(calls) != 1 || calls[0].Code != "UnauthorizedOperation" {
		t.Errorf("calls %+v", calls)
	}
}

// TestTagsAreEventuallyConsistent: DescribeFlowLogs shows an earlier state of a flow log, with the tags that it had
// then.
func TestTagsAreEventuallyConsistent(t *testing.T) {
	t.Parallel()
	w, api, c := testWorld(t)
	w.SetConsistencyDelay(5 * time.Second)
	f := inS3("vpc-1", map[string]string{"k": "first"})
	f.CreatedAt = c.t.Add(-time.Hour)
	id := w.Plant(acct, region, f)
	set := func(value string) {
		t.Helper()
		if _, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: tagsOf("k", value)}); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(want string) {
		t.Helper()
		out, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{FlowLogIds: []string{id}})
		if err != nil || len(out.FlowLogs) != 1 || *out.FlowLogs[0].Tags[0].Value != want {
			t.Errorf("described %+v, %v; want the tag %q", out, err, want)
		}
	}
	set("second")
	shows("first")
	c.t = c.t.Add(3 * time.Second)
	set("third")
	shows("first")
	c.t = c.t.Add(2 * time.Second)
	shows("second")
	c.t = c.t.Add(2 * time.Second)
	w.Remove(acct, region, id)
	shows("second") // deleted, and still shown
	c.t = c.t.Add(time.Second)
	shows("third")
}
