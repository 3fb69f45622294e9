package deploy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"flowkeeper/test/localstack"
)

// archive is a bucket with log files, and the stack of flowkeeper-log-files.yaml for it.
type archive struct {
	*place
	bucket string
	made   outputs
}

const trailPrefix = "AWSLogs/"

// newArchive makes the stack, and lets the bucket notify its topic.
func newArchive(t *testing.T, inst *localstack.Instance, queueAccount string) *archive {
	t.Helper()
	a := &archive{place: somewhere(inst)}
	a.bucket = "org-trail-" + a.account
	a.createBucket(t, a.bucket)
	a.made = a.deploy(t, "flowkeeper-log-files", "flowkeeper-log-files.yaml", map[string]string{
		"DaemonRoleArn": "arn:aws:iam::" + queueAccount + ":role/flowkeeper", "ExternalId": external, "QueueAccount": queueAccount,
		"Bucket": a.bucket, "Prefix": trailPrefix, "KeyArn": a.key(),
	})
	_, err := a.s3.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &a.bucket, NotificationConfiguration: &types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{{
			TopicArn: aws.String(a.made["TopicArn"]), Events: []types.Event{"s3:ObjectCreated:*"},
			Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNameSuffix, Value: aws.String(".json.gz")}}}},
		}}},
	})
	must(t, err)
	return a
}

func (a *archive) key() string { return "arn:aws:kms:" + a.region + ":" + a.account + ":key/trail" }

// write writes a log file with records of an account and Region, as CloudTrail does.
func (a *archive) write(t *testing.T, of *place, id string, records ...string) {
	t.Helper()
	var whole struct{ Records []json.RawMessage }
	for _, r := range records {
		whole.Records = append(whole.Records, json.RawMessage(r))
	}
	text, err := json.Marshal(whole)
	must(t, err)
	key := fmt.Sprintf("%so-a1b2c3d4e5/%[2]s/CloudTrail/%[3]s/2026/11/29/%[2]s_CloudTrail_%[3]s_20261129T0455Z_%[4]s.json.gz", trailPrefix, of.account, of.region, id)
	_, err = a.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &a.bucket, Key: &key, Body: bytes.NewReader(gzipped(t, string(text)))})
	must(t, err)
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(text))
	must(t, err)
	must(t, z.Close())
	return out.Bytes()
}

// bothWays: an organisation has two accounts, which Flowkeeper finds by itself. Each deletion arrives by
// EventBridge, and again in a log file in another account, which S3 announces by SNS: it makes one incident,
// whichever comes first. A deletion that arrives in a log file alone is restored, too. The queue is in the
// management account, so Flowkeeper's own role there lists the accounts.
func bothWays(t *testing.T, inst *localstack.Instance, binary string) {
	home, member := somewhere(inst), somewhere(inst)
	_, seen := newOrganization(t, inst, home.account, member.account)
	trail := newArchive(t, inst, home.account)
	made := home.deploy(t, "flowkeeper", "flowkeeper.yaml", map[string]string{
		"OrganizationId": "o-a1b2c3d4e5", "ListsAccounts": "true", "DirectToQueue": "true", "LogTopicArn": trail.made["TopicArn"],
		"LogBucket": trail.bucket, "LogBucketOwner": trail.account, "LogPrefix": trailPrefix, "LogKeyArn": trail.key(),
	})
	member.deploy(t, "flowkeeper-member", "flowkeeper-member.yaml", map[string]string{
		"QueueRegion": region, "QueueAccount": home.account, "DaemonRoleArn": made["RoleArn"], "ExternalId": external,
		"HomeRegion": region, "DirectToQueue": "true",
	})
	far := member.in("us-east-1") // no rule forwards its events
	places := []*place{home, member, far}
	lost := map[*place]string{}
	for _, p := range places {
		lost[p] = p.createFlowLog(t)
	}
	d := startDaemon(t, binary, newPlace(seen, home.account, region), made["Configuration"]+fmt.Sprintf(`  regions: [%s, us-east-1]
organization: {role_name: flowkeeper, external_id: %[6]s}
log_files:
  buckets:
    - {name: %[2]s, owner: "%[3]s", prefix: %[4]s, role_arn: "%[5]s", external_id: %[6]s}
`, region, trail.bucket, trail.account, trailPrefix, trail.made["RoleArn"], external))
	for _, p := range places {
		await(t, func() error { return d.knows(lost[p]) })
	}
	for _, p := range places[:2] {
		both := p.deletes(t, lost[p])
		trail.write(t, p, "both", both)
		p.put(t, both)
	}
	trail.write(t, far, "file", far.deletes(t, lost[far]))
	for _, p := range places {
		await(t, func() error { return p.restored(t, lost[p]) })
	}
	await(t, func() error { return home.empty(t, made["QueueUrl"]) })
	if n := d.incidents(t); n != len(places) {
		t.Errorf("%d incidents, want one for each of %d deletions", n, len(places))
	}
	d.stop(t)
}

// incidents is how many incidents the daemon has.
func (d *process) incidents(t *testing.T) int {
	t.Helper()
	list := exec.Command(d.binary, "incidents", "list", "--json", "--config", d.config)
	list.Env = d.env
	out, err := list.Output()
	must(t, err)
	n := 0
	for line := range bytes.Lines(out) {
		if len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}
