//go:build smokeaws

// Package smoke_test asks a real AWS account about what no emulator shows for
// certain. It makes and deletes flow logs on one VPC that a person names, and
// costs next to nothing: `make smoke-aws`.
package smoke_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

const patience = 5 * time.Minute // AWS is eventually consistent

// TestRestoreOnAWS lives through one deletion: what is made from the snapshot
// is equivalent to what was there, and made once however often it is asked.
func TestRestoreOnAWS(t *testing.T) {
	vpc, bucket := need(t, "FLOWKEEPER_SMOKE_VPC"), need(t, "FLOWKEEPER_SMOKE_BUCKET_ARN")
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	base, err := scopes.Base(ctx, scopes.Options{})
	must(t, err)
	client := ec2.NewFromConfig(base)

	id := create(ctx, t, client, &ec2.CreateFlowLogsInput{
		ResourceIds: []string{vpc}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeReject,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: &bucket, MaxAggregationInterval: aws.Int32(60),
		LogFormat:          aws.String("${version} ${vpc-id} ${srcaddr} ${dstaddr} ${action}"),
		DestinationOptions: &types.DestinationOptionsRequest{FileFormat: types.DestinationFileFormatParquet, HiveCompatiblePartitions: aws.Bool(true)},
		TagSpecifications:  []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("flowkeeper smoke test")}}}},
	})
	lost := appears(ctx, t, client, id)
	remove(ctx, t, client, id)
	vanishes(ctx, t, client, id)

	in := incident.CreateInput(incident.Incident{Scope: lost.Scope, FlowLogID: id, ResourceID: vpc, Frozen: lost.Settings})
	dry := *in
	dry.DryRun = aws.Bool(true)
	if _, err := client.CreateFlowLogs(ctx, &dry); code(err) != "DryRunOperation" {
		t.Errorf("a rehearsal answers %v", err)
	}
	again := create(ctx, t, client, in)
	if twice := create(ctx, t, client, in); twice != again {
		t.Errorf("the same ClientToken made %s and then %s", again, twice)
	}
	back := appears(ctx, t, client, again)
	if !inventory.Equivalent(lost.Scope, lost.Settings, back) {
		t.Errorf("not equivalent: %v", inventory.Differences(lost.Scope, lost.Settings, back.Settings))
	}
	if back.Tags["Name"] != "flowkeeper smoke test" || back.Tags[incident.RestoredFrom] != id {
		t.Errorf("tags %v", back.Tags)
	}
	other := *in
	other.ClientToken = aws.String("flowkeeper-smoke-" + again)
	out, err := client.CreateFlowLogs(ctx, &other)
	switch {
	case err != nil:
		t.Logf("an equivalent one with another token: %v", err)
	case len(out.Unsuccessful) == 0:
		t.Errorf("AWS made a second, equal one: %v", out.FlowLogIds)
		for _, id := range out.FlowLogIds {
			remove(ctx, t, client, id)
		}
	default:
		t.Logf("an equivalent one with another token: %s", aws.ToString(out.Unsuccessful[0].Error.Code))
	}
}

func need(t *testing.T, name string) string {
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("set %s: a VPC, and the ARN of a bucket that may take its flow logs; AWS credentials come from the environment", name)
	}
	return v
}

func create(ctx context.Context, t *testing.T, client *ec2.Client, in *ec2.CreateFlowLogsInput) string {
	t.Helper()
	out, err := client.CreateFlowLogs(ctx, in)
	must(t, err)
	if len(out.Unsuccessful) > 0 || len(out.FlowLogIds) != 1 {
		t.Fatalf("CreateFlowLogs answered %v, %v", out.FlowLogIds, aws.ToString(out.Unsuccessful[0].Error.Message))
	}
	id := out.FlowLogIds[0]
	t.Cleanup(func() { // whatever happened: nothing is left in the account
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = client.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
	})
	return id
}

func remove(ctx context.Context, t *testing.T, client *ec2.Client, id string) {
	t.Helper()
	_, err := client.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
	must(t, err)
}

// appears waits until AWS shows a flow log.
func appears(ctx context.Context, t *testing.T, client *ec2.Client, id string) inventory.FlowLog {
	t.Helper()
	var f inventory.FlowLog
	await(ctx, t, id+" to be shown", func(found map[string]inventory.FlowLog) bool { f = found[id]; return f.ID != "" }, client, id)
	return f
}

func vanishes(ctx context.Context, t *testing.T, client *ec2.Client, id string) {
	t.Helper()
	await(ctx, t, id+" to be gone", func(found map[string]inventory.FlowLog) bool { return len(found) == 0 }, client, id)
}

func await(ctx context.Context, t *testing.T, what string, done func(map[string]inventory.FlowLog) bool, client *ec2.Client, id string) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for time.Since(began) < patience {
		found, err := inventory.ByID(ctx, inventory.Scope{}, client, []string{id})
		must(t, err)
		if done(found) {
			t.Logf("waited %s for %s", time.Since(began).Round(time.Second), what)
			return
		}
		<-tick.C
	}
	t.Fatalf("waited %s for %s", patience, what)
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
