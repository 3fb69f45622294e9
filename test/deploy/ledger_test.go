package deploy_test

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
	"flowkeeper/internal/organization"
	"flowkeeper/remediate/incident"
)

// implied are the permissions that AWS requires for a call in addition to the one named like the call. The text
// says which call. The fake notes each of them when it is required.
var implied = map[string]string{
	"ec2:CreateTags":              "CreateFlowLogs with tags",
	"iam:PassRole":                "CreateFlowLogs with a delivery role",
	"logs:CreateLogDelivery":      "CreateFlowLogs to S3 and Firehose",
	"firehose:TagDeliveryStream":  "CreateFlowLogs to Firehose, which is tagged LogDeliveryEnabled",
	"iam:CreateServiceLinkedRole": "the first CreateFlowLogs to Firehose, and the first with fields of tags",
	"ecs:ListClusters":            "CreateFlowLogs with ECS fields",
	"ecs:ListContainerInstances":  "CreateFlowLogs with ECS fields",
	"ecs:ListServices":            "CreateFlowLogs with ECS fields",
	"ecs:ListTaskDefinitions":     "CreateFlowLogs with ECS fields",
	"ecs:ListTasks":               "CreateFlowLogs with ECS fields",
	"ec2:DescribeTags":            "CreateFlowLogs with fields of tags",
	"autoscaling:DescribeTags":    "CreateFlowLogs with fields of tags",
}

// unseen are the permissions that AWS requires, and the fake does not. The text says for which call.
var unseen = map[string]string{
	"kms:Decrypt": "GetObject of a log file that a key encrypts",
}

// otherwise are the permissions that have another name than their operation.
var otherwise = map[string]string{"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadBucket": "s3:ListBucket"}

// action is the permission that a call requires; empty: none.
func action(service, operation string) string {
	if operation == "GetCallerIdentity" {
		return ""
	}
	named := service + ":" + strings.TrimSuffix(operation, "Batch")
	return cmp.Or(otherwise[named], named)
}

const (
	own        = "111122223333"
	other      = "222233334444"
	management = "999900001111"
	archived   = "999988887777"
	external   = "an-external-id"
)

// TestPoliciesAreWhatIsCalled runs a daemon with everything configured on a fake AWS that notes its calls. Each
// policy allows exactly these calls: a missing permission would prevent a restore, and one too many would help
// whoever takes over the daemon.
func TestPoliciesAreWhatIsCalled(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.run(t)
	var here, there, listed, read []string
	for _, a := range p.world.Asked() {
		switch act := action(a.Service, a.Operation); {
		case act == "":
		case a.ARN == p.me, strings.HasPrefix(a.ARN, "arn:aws:sts::"+own+":assumed-role/flowkeeper/"):
			here = append(here, act)
		case strings.HasPrefix(a.ARN, "arn:aws:sts::"+other+":assumed-role/flowkeeper/"):
			there = append(there, act)
		case strings.HasPrefix(a.ARN, "arn:aws:sts::"+management+":assumed-role/flowkeeper-list/"):
			listed = append(listed, act)
		case strings.HasPrefix(a.ARN, "arn:aws:sts::"+archived+":assumed-role/flowkeeper-read-trail/"):
			read = append(read, act)
		}
	}
	here, there = sorted(here), sorted(there)
	for a, what := range implied {
		if !slices.Contains(here, a) || !slices.Contains(there, a) {
			t.Errorf("no call required %s: the test makes no %s", a, what)
		}
	}
	for a := range unseen {
		here, read = append(here, a), append(read, a)
	}
	t.Logf("here %v", here)
	t.Logf("there %v", there)
	same(t, "iam-policy.json", allowed(t, "iam-policy.json"), here)
	same(t, "the role of flowkeeper.yaml", allowedIn(t, "flowkeeper.yaml", "Role", "Policies"), here)
	same(t, "the role of flowkeeper-member.yaml", allowedIn(t, "flowkeeper-member.yaml", "Role", "Policies"), there)
	same(t, "the role of flowkeeper-list.yaml", allowedIn(t, "flowkeeper-list.yaml", "Role", "Policies"), sorted(listed))
	same(t, "the role of flowkeeper-log-files.yaml", allowedIn(t, "flowkeeper-log-files.yaml", "Role", "Policies"), sorted(read))
}

// play is two accounts in two Regions, in which the daemon makes every call to AWS that its configuration can
// cause. There are flow logs to every kind of destination and with every class of fields, and no service-linked
// roles yet.
type play struct {
	world *fakeawstest.World
	me    string // ARN
	queue string // ARN
	topic string // ARN
	d     *daemon.Daemon
	ids   map[string][]string // flow logs that plant made, by account/Region
}

const (
	stateBucket = "copies-of-state"
	trailBucket = "org-trail"
	trailKey    = "AWSLogs/o-a1b2c3d4e5/" + other + "/CloudTrail/" + region + "/2026/11/29/" + other + "_CloudTrail_" + region + "_20261129T0500Z_any.json.gz"
	logBucket   = "arn:aws:s3:::flow-logs"
	backupKey   = "flowkeeper/state.db.gz"
)

func newPlay(t *testing.T) *play {
	t.Helper()
	w := fakeawstest.New(fakeawstest.Options{})
	p := &play{world: w, ids: map[string][]string{}}
	url, queue := w.CreateQueue(own, region, "flowkeeper", nil)
	p.queue, p.topic = queue, w.CreateTopic(own, region, "flow-log-alerts")
	w.TrailTo(queue)
	w.AddBucket(region, stateBucket)
	w.AddOrganization(management, "management")
	w.DelegateOrganization(own)
	w.AddRole(listRole, external)
	w.AddRole(readRole, external)
	w.AddBucket(region, trailBucket)
	w.OwnBucket(trailBucket, archived)
	for _, account := range []string{own, other} {
		w.AddAccount(fakeawstest.Root, account, "name of "+account)
		w.AddRole("arn:aws:iam::"+account+":role/flowkeeper", external)
	}
	for _, account := range []string{own, other} {
		for _, r := range []string{region, "us-east-1"} {
			p.plant(account, r)
		}
	}
	for _, account := range []string{own, other} {
		w.RemoveServiceLinkedRoles(account)
	}
	user := w.User(own, "flowkeeper", false)
	p.me = user.ARN
	c := configs.Default()
	c.Queue.URL, c.Queue.WaitTime = url, time.Second
	c.Inventory.Regions = []string{"all"}
	c.Inventory.Schedule, c.Inventory.Settle = "@every 1s", 200*time.Millisecond
	c.Organization = configs.Organization{RoleName: "flowkeeper", ExternalID: external, Exclude: []string{management}, Schedule: "@every 1h"}
	c.LogFiles.Buckets = []configs.LogBucket{{Name: trailBucket, Owner: archived, RoleARN: readRole, ExternalID: external}}
	c.Remediate.DriftWait, c.Remediate.VerifyAfter = time.Minute, time.Second
	c.Rehearsal.Schedule = "@every 1s"
	c.Alerts = []configs.Sink{{Type: "sns", Name: "everyone", TopicARN: p.topic}}
	c.State.Path = filepath.Join(t.TempDir(), "state.db")
	c.State.Backup = "s3://" + stateBucket + "/flowkeeper"
	c.HTTP.Listen = ""
	p.d = &daemon.Daemon{Config: c, Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		AWS: aws.Config{Region: region, HTTPClient: w.HTTPClient(), Credentials: static(user)}}
	return p
}

// listRole lists the accounts where Flowkeeper's own role may not, and readRole reads log files.
const (
	listRole = "arn:aws:iam::" + management + ":role/flowkeeper-list"
	readRole = "arn:aws:iam::" + archived + ":role/flowkeeper-read-trail"
)

// list lists the accounts with the role of flowkeeper-list.yaml. The daemon lists them as a delegated
// administrator.
func (p *play) list(t *testing.T) {
	t.Helper()
	api := organization.Client(p.d.AWS, configs.Organization{ListRoleARN: listRole, ExternalID: external})
	l, err := organization.List(t.Context(), api, nil, nil)
	must(t, err)
	if len(l.Accounts) != 3 || l.NoPaths != nil {
		t.Fatalf("listing with the role returned %+v", l)
	}
}

func static(c fakeaws.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")
}

// plant makes flow logs to a log group, a bucket and a delivery stream.
func (p *play) plant(account, region string) {
	role := "arn:aws:iam::" + account + ":role/delivery"
	group := "arn:aws:logs:" + region + ":" + account + ":log-group:flow-logs"
	stream := "arn:aws:firehose:" + region + ":" + account + ":deliverystream/flow-logs"
	p.world.AddDeliveryRole(role)
	for _, d := range []string{logBucket, group, stream} {
		p.world.AddDestination(d)
	}
	scope := account + "/" + region
	for _, f := range []fakeaws.FlowLog{
		{ResourceID: "vpc-1", LogDestinationType: "cloud-watch-logs", LogDestination: group, DeliverLogsPermissionARN: role},
		{ResourceID: "vpc-2", LogDestinationType: "s3", LogDestination: logBucket},
		{ResourceID: "vpc-3", LogDestinationType: "kinesis-data-firehose", LogDestination: stream},
		{ResourceID: "vpc-4", LogDestinationType: "s3", LogDestination: logBucket, LogFormat: "${version} ${ecs-cluster-arn}"},
		{ResourceID: "vpc-5", LogDestinationType: "s3", LogDestination: logBucket, TagFields: []fakeaws.TagField{{ResourceType: "instance", Keys: []string{"team"}}}},
		{ResourceID: "vpc-6", LogDestinationType: "s3", LogDestination: logBucket},
	} {
		f.TrafficType, f.MaxAggregationInterval, f.LogFormat, f.Tags = "ALL", 60, cmp.Or(f.LogFormat, "${version}"), map[string]string{"team": "net", "Name": f.ResourceID}
		p.ids[scope] = append(p.ids[scope], p.world.Plant(account, region, f))
	}
}

// kinds is how many destinations and classes of fields plant makes flow logs for. One flow log more
// shares a create with another, so that CreateTags adds its own tags.
const kinds = 5

func (p *play) run(t *testing.T) {
	t.Helper()
	p.list(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.d.Run(ctx) }()
	must(t, p.world.Send(p.queue, "nobody can read this"))
	p.world.PutObject(trailBucket, trailKey, gzipped(t, `{"Records":[]}`))
	must(t, p.world.Send(p.queue, `{"s3Bucket":"`+trailBucket+`","s3ObjectKey":["`+trailKey+`"]}`))
	await(t, so("the first refresh", p.d.Refreshed))
	await(t, so("rehearsals everywhere", func() bool { return p.rehearsed() == 4 }))
	for scope, ids := range p.ids {
		account, region, _ := strings.Cut(scope, "/")
		mallory := ec2.New(ec2.Options{Region: region, HTTPClient: p.world.HTTPClient(), Credentials: static(p.world.User(account, "mallory", false))})
		_, err := mallory.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
		must(t, err)
	}
	await(t, so("every flow log to be back", func() bool {
		for scope, ids := range p.ids {
			account, region, _ := strings.Cut(scope, "/")
			if len(p.world.FlowLogs(account, region)) != len(ids) {
				return false
			}
		}
		return true
	}))
	await(t, so("tags that follow a create, everywhere", func() bool { return p.tagged(t) == len(p.ids) }))
	await(t, so("alerts to the topic", func() bool { return len(p.world.Published(p.topic)) > 0 }))
	await(t, so("a copy of the state", func() bool { _, ok := p.world.Object(stateBucket, backupKey); return ok }))
	await(t, so("records acknowledged", func() bool { return p.world.Deleted(p.queue) > 0 }))
	await(t, so("what can't be read to be put off", func() bool { return p.asked("ChangeMessageVisibility") }))
	await(t, so("a log file to be read", func() bool {
		return slices.ContainsFunc(p.world.Asked(), func(a fakeawstest.Asked) bool {
			return a.Operation == "GetObject" && strings.Contains(a.ARN, "/flowkeeper-read-trail/")
		})
	}))
	stop()
	must(t, <-done)
}

// rehearsed counts the accounts and Regions with dry runs of every kind.
func (p *play) rehearsed() int {
	tried := map[string]int{}
	for _, c := range p.world.Calls("CreateFlowLogs") {
		if c.DryRun {
			tried[c.Account+"/"+c.Region]++
		}
	}
	n := 0
	for scope := range p.ids {
		if tried[scope] >= kinds {
			n++
		}
	}
	return n
}

// tagged counts the accounts and Regions with a CreateTags call. Each call may only tag flow logs that the policies
// allow: those that have Flowkeeper's own tag.
func (p *play) tagged(t *testing.T) int {
	t.Helper()
	scopes := map[string]bool{}
	for _, c := range p.world.Calls("CreateTags") {
		scopes[c.Account+"/"+c.Region] = true
		for _, f := range p.world.FlowLogs(c.Account, c.Region) {
			if slices.Contains(c.IDs, f.ID) && f.Tags[incident.RestoredFrom] == "" {
				t.Errorf("%s was tagged, and has no tag %s", f.ID, incident.RestoredFrom)
			}
		}
	}
	return len(scopes)
}

func (p *play) asked(operation string) bool {
	return slices.ContainsFunc(p.world.Asked(), func(a fakeawstest.Asked) bool { return strings.TrimSuffix(a.Operation, "Batch") == operation })
}
