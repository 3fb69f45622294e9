package contract_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// tagCases are calls of CreateTags. A refused call tags none of its flow logs.
func tagCases() []contractCase {
	cases := []contractCase{
		{"tags/of several flow logs", tagsOfSeveral},
		{"tags/as many as it can have", func(t *testing.T, e *env) {
			id := oneLog(t, e) // has one tag
			must(t, createTags(t, e, false, tagsNumbered(49), id))
			wantEqual(t, "number of tags", len(describeOne(t, e, id).Tags), 50)
		}},
	}
	for _, v := range []struct {
		name, code string
		tags       []types.Tag
		unknown    bool // there is an unknown flow log among them
		dryRun     bool
	}{
		{name: "unknown flow log", code: "InvalidFlowLogId*", tags: tagsNumbered(1), unknown: true},
		{name: "tag of AWS's own", code: "InvalidParameterValue", tags: append(tagsNumbered(1), types.Tag{Key: aws.String("aws:createdBy"), Value: aws.String("someone")})},
		{name: "more than 50", code: "TagLimitExceeded", tags: tagsNumbered(50)},
		{name: "key twice", code: "InvalidParameterValue", tags: append(tagsNumbered(1), tagsNumbered(1)...)},
		{name: "no tag", code: "MissingParameter", tags: []types.Tag{}},
		{name: "dry run", code: "DryRunOperation", tags: tagsNumbered(1), dryRun: true},
	} {
		cases = append(cases, contractCase{"tags/refused: " + v.name, func(t *testing.T, e *env) {
			id := oneLog(t, e)
			resources := []string{id}
			if v.unknown {
				resources = append(resources, unknownID)
			}
			wantCode(t, createTags(t, e, v.dryRun, v.tags, resources...), v.code)
			wantEqual(t, "tags", tagMap(describeOne(t, e, id).Tags), map[string]string{"team": "net"})
		}})
	}
	return cases
}

// oneLog makes a flow log with the tag team=net.
func oneLog(t *testing.T, e *env) string {
	t.Helper()
	return create(t, e, toBucket(e.network(t, e).vpc, types.FlowLogsResourceTypeVpc, e.newBucket(t)))
}

func createTags(t *testing.T, e *env, dryRun bool, tags []types.Tag, resources ...string) error {
	t.Helper()
	in := &ec2.CreateTagsInput{Resources: resources, Tags: tags}
	if dryRun {
		in.DryRun = aws.Bool(true)
	}
	_, err := e.ec2.CreateTags(t.Context(), in)
	return err
}

func tagsNumbered(n int) (tags []types.Tag) {
	for i := range n {
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("v")})
	}
	return tags
}

// tagsOfSeveral: new tags are added to the existing ones, and an existing key gets the new value.
func tagsOfSeveral(t *testing.T, e *env) {
	three := threeLogs(t, e)
	must(t, createTags(t, e, false, []types.Tag{
		{Key: aws.String("team"), Value: aws.String("sec")}, {Key: aws.String("Owner & <co>"), Value: aws.String("")},
	}, three.ofVPC, three.ofSubnet))
	wantEqual(t, "VPC", tagMap(describeOne(t, e, three.ofVPC).Tags), map[string]string{"team": "sec", "Owner & <co>": ""})
	wantEqual(t, "subnet", tagMap(describeOne(t, e, three.ofSubnet).Tags), map[string]string{"team": "sec", "Owner": "Zoë & <co>", "Owner & <co>": ""})
	wantEqual(t, "network interface", tagMap(describeOne(t, e, three.ofENI).Tags), map[string]string{"team": "net"})
}
