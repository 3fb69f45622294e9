package incident

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"flowkeeper/inventory"
)

var scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}

// TestEveryCreateParameterIsClassified fails when a new version of the SDK has a parameter
// that is not in the lists.
func TestEveryCreateParameterIsClassified(t *testing.T) {
	t.Parallel()
	classified := map[string]string{
		"ResourceIds": "copied", "ResourceType": "derived from the ID", "ClientToken": "derived", "DeliverCrossAccountRole": "copied",
		"DeliverLogsPermissionArn": "copied, not to S3", "DestinationOptions": "copied, to S3 only", "DryRun": "set by rehearsals alone",
		"LogDestination": "copied", "LogDestinationType": "copied", "LogFormat": "copied", "LogGroupName": "copied where no destination is described",
		"MaxAggregationInterval": "copied; 60 for transit gateways", "TagFieldSpecifications": "copied", "TagSpecifications": "copied", "TrafficType": "copied; none for transit gateways",
	}
	typ := reflect.TypeFor[ec2.CreateFlowLogsInput]()
	for f := range typ.Fields() {
		if f.IsExported() && classified[f.Name] == "" {
			t.Errorf("CreateFlowLogsInput has a new field %s: send it, or say here why not", f.Name)
		}
	}
}

func TestCreateInput(t *testing.T) {
	t.Parallel()
	vpc := inventory.Settings{ResourceID: "vpc-1", TrafficType: "ALL", LogDestinationType: "cloud-watch-logs",
		LogDestination: "arn:aws:logs:eu-west-1:111122223333:log-group:g:*", LogGroupName: "g", DeliverLogsPermissionARN: "arn:role",
		LogFormat: "${version}", MaxAggregationInterval: 600, Tags: map[string]string{"b": "2", "a": "1", "aws:cloudformation:stack-name": "s"},
		TagFieldSpecifications: []inventory.TagFieldSpecification{{ResourceType: "vpc", TagKeys: []string{"Name"}}}}
	in := CreateInput(Incident{Scope: scope, FlowLogID: "fl-1", Frozen: vpc}, "token")
	want := &ec2.CreateFlowLogsInput{
		ClientToken: aws.String("token"), ResourceIds: []string{"vpc-1"}, ResourceType: types.FlowLogsResourceTypeVpc,
		TrafficType: "ALL", LogDestinationType: "cloud-watch-logs", LogDestination: aws.String("arn:aws:logs:eu-west-1:111122223333:log-group:g"),
		DeliverLogsPermissionArn: aws.String("arn:role"), LogFormat: aws.String("${version}"), MaxAggregationInterval: aws.Int32(600),
		TagFieldSpecifications: []types.TagFieldSpecificationRequest{{ResourceType: "vpc", TagKeys: []string{"Name"}}},
		TagSpecifications: []types.TagSpecification{{ResourceType: "vpc-flow-log", Tags: []types.Tag{
			{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String(RestoredFrom), Value: aws.String("fl-1")},
		}}},
	}
	if d := cmp.Diff(want, in, cmpopts.IgnoreUnexported(ec2.CreateFlowLogsInput{}, types.Tag{}, types.TagSpecification{}, types.TagFieldSpecificationRequest{})); d != "" {
		t.Error(d)
	}
}

func TestCreateInputByKind(t *testing.T) {
	t.Parallel()
	bucket := inventory.Settings{ResourceID: "tgw-attach-1", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::b",
		DeliverLogsPermissionARN: "arn:old", MaxAggregationInterval: 600, DestinationOptions: &inventory.DestinationOptions{FileFormat: "parquet"}}
	in := CreateInput(Incident{Frozen: bucket, FlowLogID: "fl-1"}, "token")
	switch {
	case in.ResourceType != types.FlowLogsResourceTypeTransitGatewayAttachment:
		t.Errorf("resource type %s", in.ResourceType)
	case in.TrafficType != "" || *in.MaxAggregationInterval != 60:
		t.Error("a transit gateway takes no traffic type, and 60 seconds")
	case in.DeliverLogsPermissionArn != nil:
		t.Error("S3 refuses a delivery role")
	case in.DestinationOptions == nil || *in.DestinationOptions.HiveCompatiblePartitions:
		t.Error("destination options")
	}
	group := CreateInput(Incident{Frozen: inventory.Settings{ResourceID: "eni-1", LogGroupName: "g", DestinationOptions: &inventory.DestinationOptions{}}}, "token")
	if group.LogDestination != nil || *group.LogGroupName != "g" || group.LogDestinationType != "cloud-watch-logs" || group.DestinationOptions != nil {
		t.Errorf("by group name: %+v", group)
	}
	for id, want := range map[string]types.FlowLogsResourceType{
		"vpc-1": "VPC", "subnet-1": "Subnet", "eni-1": "NetworkInterface", "tgw-1": "TransitGateway", "tgw-attach-1": "TransitGatewayAttachment", "nat-1": "RegionalNatGateway",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if got := resourceType(id); got != want {
				t.Errorf("%s is a %s", id, got)
			}
		})
	}
}

func TestOurTagYieldsToFifty(t *testing.T) {
	t.Parallel()
	tags := map[string]string{}
	for n := range 50 {
		tags[fmt.Sprintf("k%02d", n)] = "v"
	}
	i := Incident{FlowLogID: "fl-1", Frozen: inventory.Settings{ResourceID: "vpc-1", Tags: tags}}
	if got := createTags(i); len(got) != 50 {
		t.Errorf("%d tags", len(got))
	}
	delete(tags, "k00")
	if got := createTags(i); len(got) != 50 {
		t.Errorf("with room for ours: %d tags", len(got))
	}
	if i.Untagged = true; len(createTags(i)) != 49 {
		t.Error("AWS refused our tag, and it is sent again")
	}
}

// TestI4OneCallForOneIncident: the same incident makes the same call, with the
// same token, in any process; another incident or generation has another token.
func TestI4OneCallForOneIncident(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := TokenKey(rapid.String().Draw(t, "key"))
		call := func(i Incident) *ec2.CreateFlowLogsInput { return CreateInput(i, key.Token(i)) }
		tags := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "tags")
		i := Incident{Scope: scope, FlowLogID: rapid.StringMatching(`fl-[0-9a-f]{8}`).Draw(t, "id"), Generation: rapid.IntRange(0, 3).Draw(t, "generation"),
			Keyed: rapid.Bool().Draw(t, "keyed"), Frozen: inventory.Settings{ResourceID: "vpc-1", Tags: tags}}
		if !reflect.DeepEqual(call(i), call(i)) {
			t.Fatal("two calls differ")
		}
		for what, change := range map[string]func(*Incident){
			"the next generation": func(i *Incident) { i.Generation++ },
			"another scope":       func(i *Incident) { i.Scope.Region = "us-east-1" },
			"another flow log":    func(i *Incident) { i.FlowLogID += "0" },
		} {
			other := i
			change(&other)
			if *call(i).ClientToken == *call(other).ClientToken {
				t.Fatalf("%s has the same token", what)
			}
		}
	})
}
