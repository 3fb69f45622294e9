package remediate_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"pgregory.net/rapid"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
)

// TestI4DescribedCreatedDescribed: any flow log that AWS describes can be created again, and AWS then describes
// it with the same settings and tags. The same holds for its replacement, as in a lineage.
func TestI4DescribedCreatedDescribed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := fakeawstest.New(fakeawstest.Options{})
		user := w.User(account, "flowkeeper", true)
		api := ec2.New(ec2.Options{Region: region, HTTPClient: w.HTTPClient(), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(user.AccessKeyID, user.SecretAccessKey, "")})
		id := w.Plant(account, region, anyFlowLog(t, w))
		first := described(t, api, id)
		last := first
		for range 2 {
			w.Remove(account, region, id)
			i := incident.Incident{Scope: scope, FlowLogID: id, ResourceID: last.ResourceID, Known: true, Frozen: last.Settings}
			out, err := api.CreateFlowLogs(context.Background(), incident.CreateInput(i, id))
			if err != nil || len(out.FlowLogIds) != 1 {
				t.Fatalf("%+v\n%v, %+v", last, err, out)
			}
			lost := id
			id = out.FlowLogIds[0]
			last = described(t, api, id)
			if d := inventory.Differences(scope, first.Settings, last.Settings); len(d) > 0 || !inventory.Equivalent(scope, first.Settings, last) {
				t.Fatalf("the replacement differs: %v", d)
			}
			if last.LogDestination != strings.TrimSuffix(first.LogDestination, ":*") || last.LogFormat != first.LogFormat {
				t.Fatalf("destination or format are not equal byte for byte: %+v, %+v", first, last)
			}
			tags := maps.Clone(last.Tags)
			if tags[incident.RestoredFrom] != lost {
				t.Fatalf("Flowkeeper's tag names %q, want %s", tags[incident.RestoredFrom], lost)
			}
			delete(tags, incident.RestoredFrom)
			if !maps.Equal(tags, first.Tags) {
				t.Fatalf("tags %v, want %v", tags, first.Tags)
			}
		}
	})
}

// described returns a flow log as AWS describes it.
func described(t *rapid.T, api *ec2.Client, id string) inventory.FlowLog {
	found, err := inventory.ByID(context.Background(), scope, api, []string{id})
	if err != nil || len(found) != 1 {
		t.Fatalf("describe %s: %v, %v", id, found, err)
	}
	return found[id]
}

// anyFlowLog draws a flow log with any resource, destination and settings that AWS accepts, and makes its
// destination.
func anyFlowLog(t *rapid.T, w *fakeawstest.World) fakeaws.FlowLog {
	const role = "arn:aws:iam::111122223333:role/delivery"
	w.AddDeliveryRole(role)
	yes := func(name string) bool { return rapid.Bool().Draw(t, name) }
	text := rapid.StringMatching(`[A-Za-z0-9 _.:/=+@-]{1,20}`)
	f := fakeaws.FlowLog{
		ResourceID:             rapid.SampledFrom([]string{"vpc-1", "subnet-1", "eni-1", "tgw-1", "tgw-attach-1", "nat-1"}).Draw(t, "resource"),
		TrafficType:            rapid.SampledFrom([]string{"ALL", "ACCEPT", "REJECT"}).Draw(t, "traffic"),
		LogFormat:              rapid.SampledFrom([]string{"${version}", "${version}  ${flow-direction}", "${vpc-id} ${instance-tags}"}).Draw(t, "format"),
		MaxAggregationInterval: rapid.SampledFrom([]int{60, 600}).Draw(t, "interval"),
		DeliverStatus:          "SUCCESS",
	}
	if strings.HasPrefix(f.ResourceID, "tgw-") {
		f.TrafficType, f.MaxAggregationInterval = "", 60
	}
	switch f.LogDestinationType = rapid.SampledFrom([]string{"s3", "cloud-watch-logs", "kinesis-data-firehose"}).Draw(t, "type"); f.LogDestinationType {
	case "s3":
		f.LogDestination = "arn:aws:s3:::bucket"
		w.AddDestination(f.LogDestination)
		if yes("prefix") {
			f.LogDestination += "/a/prefix/"
		}
		f.FileFormat = rapid.SampledFrom([]string{"plain-text", "parquet"}).Draw(t, "file")
		f.HiveCompatiblePartitions, f.PerHourPartition = yes("hive"), yes("hourly")
		if yes("old") {
			f.DeliverLogsPermissionARN = role // AWS shows a role for old flow logs, and refuses a create with it
		}
	case "cloud-watch-logs":
		f.LogGroupName, f.DeliverLogsPermissionARN = "/vpc/flow-logs", role
		if yes("arn") {
			f.LogGroupName, f.LogDestination = "", "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flow-logs"
		}
	default:
		f.LogDestination, f.DeliverLogsPermissionARN = "arn:aws:firehose:eu-west-1:111122223333:deliverystream/s", role
		w.AddDestination(f.LogDestination)
		if yes("cross account") {
			f.DeliverCrossAccountRole = "arn:aws:iam::999988887777:role/receive"
		}
	}
	if yes("tag fields") {
		f.TagFields = []fakeaws.TagField{{ResourceType: "instance", Keys: []string{"Name", "env"}}}
	}
	for range rapid.IntRange(0, 4).Draw(t, "tags") {
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		f.Tags["k"+text.Draw(t, "key")] = text.Draw(t, "value")
	}
	return f
}
