package deploy_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"flowkeeper/test/localstack"
)

// TestStacks: the stacks of the templates are all that the real binary needs to restore flow logs.
//
// LocalStack enforces neither policies nor the Rules of a template, so only AWS can show that the policies of
// queue, buses and roles suffice.
func TestStacks(t *testing.T) {
	t.Parallel()
	inst := shared.Get(t)
	binary := binary(t)
	t.Run("the main one alone", func(t *testing.T) { t.Parallel(); mainAlone(t, inst, binary) })
	t.Run("all, in two accounts", func(t *testing.T) { t.Parallel(); twoAccounts(t, inst, binary) })
	t.Run("an organisation", func(t *testing.T) { t.Parallel(); wholeOrganization(t, inst, binary) })
	t.Run("log files, and both ways", func(t *testing.T) { t.Parallel(); bothWays(t, inst, binary) })
}

// mainAlone: flowkeeper.yaml alone, without parameters, is enough for one account in one Region.
func mainAlone(t *testing.T, inst *localstack.Instance, binary string) {
	home := somewhere(inst)
	made := home.deploy(t, "flowkeeper", "flowkeeper.yaml", nil)
	home.checkQueues(t, made)
	lost := home.createFlowLog(t)
	d := startDaemon(t, binary, home, made["Configuration"])
	await(t, func() error { return d.knows(lost) })
	home.attack(t, lost)
	await(t, func() error { return home.restored(t, lost) })
	await(t, func() error { return home.empty(t, made["QueueUrl"]) })
	await(t, func() error { return home.empty(t, made["QueueUrl"]+"-dead") })
	d.stop(t)
}

// checkQueues checks the settings of the queues that no event of this test would show.
func (p *place) checkQueues(t *testing.T, made outputs) {
	t.Helper()
	dead := p.attributes(t, made["QueueUrl"]+"-dead")
	queue := p.attributes(t, made["QueueUrl"])
	var redrive struct {
		Dead string `json:"deadLetterTargetArn"`
		Max  int    `json:"maxReceiveCount"`
	}
	must(t, json.Unmarshal([]byte(queue["RedrivePolicy"]), &redrive))
	if redrive.Dead != dead["QueueArn"] || redrive.Max != 100 {
		t.Errorf("redrive policy %s", queue["RedrivePolicy"])
	}
	for _, q := range []map[string]string{queue, dead} {
		if q["MessageRetentionPeriod"] != "1209600" || q["SqsManagedSseEnabled"] != "true" || !strings.Contains(q["Policy"], p.region+":"+p.account+":rule/flowkeeper") {
			t.Errorf("queue %v", q)
		}
	}
	if made["QueueArn"] != queue["QueueArn"] || made["InstanceProfile"] != "flowkeeper" || made["RoleArn"] != "arn:aws:iam::"+p.account+":role/flowkeeper" {
		t.Errorf("outputs %v", made)
	}
}

// twoAccounts: all templates with all options, in two accounts and two Regions. Each deletion arrives by the bus of
// its own account and Region.
func twoAccounts(t *testing.T, inst *localstack.Instance, binary string) {
	home := somewhere(inst)
	member := somewhere(inst)
	made := home.deploy(t, "flowkeeper", "flowkeeper.yaml", map[string]string{
		"DeliveryRoleArns": "arn:aws:iam::" + home.account + ":role/delivery,arn:aws:iam::" + home.account + ":role/delivery-2",
		"MemberAccounts":   member.account, "MemberRoleArns": "arn:aws:iam::" + member.account + ":role/flowkeeper",
		"AlertTopicArn": "arn:aws:sns:eu-west-1:" + home.account + ":alerts", "AlarmTopicArn": "arn:aws:sns:eu-west-1:" + other + ":alarms",
		"BackupBucket": "copies-" + home.account, "ReplayRoleArn": "arn:aws:iam::" + home.account + ":role/replay",
		"DoctorLooks": "true",
	})
	where := map[string]string{"QueueRegion": region, "QueueAccount": home.account}
	home.in("us-east-1").deploy(t, "flowkeeper-region", "flowkeeper-region.yaml", where)
	member.in("us-east-1").deploy(t, "flowkeeper-region", "flowkeeper-region.yaml", where)
	role := member.deploy(t, "flowkeeper-member", "flowkeeper-member.yaml", map[string]string{
		"QueueRegion": region, "QueueAccount": home.account, "DaemonRoleArn": made["RoleArn"], "ExternalId": external,
		"DeliveryRoleArns": "arn:aws:iam::" + member.account + ":role/delivery", "DoctorLooks": "true",
	})["RoleArn"]
	// In the queue's own Region the template must make no rule: it would forward each event to
	// its own bus, without end.
	if out := home.deploy(t, "wrong", "flowkeeper-region.yaml", where); out["RuleArn"] != "" {
		t.Fatalf("a rule that forwards to its own bus: %v", out)
	}

	places := []*place{home, home.in("us-east-1"), member, member.in("us-east-1")}
	lost := map[*place]string{}
	for _, p := range places {
		lost[p] = p.createFlowLog(t)
	}
	d := startDaemon(t, binary, home, made["Configuration"]+fmt.Sprintf(`  regions: [%s, us-east-1]
accounts:
  - id: "%s"
  - id: "%s"
    role_arn: %s
    external_id: %s
`, region, home.account, member.account, role, external))
	for _, p := range places {
		await(t, func() error { return d.knows(lost[p]) })
	}
	for _, p := range places {
		p.attack(t, lost[p])
	}
	for _, p := range places {
		await(t, func() error { return p.restored(t, lost[p]) })
	}
	await(t, func() error { return home.empty(t, made["QueueUrl"]) })
	d.stop(t)
}

// createFlowLog makes a VPC and a flow log of it.
func (p *place) createFlowLog(t *testing.T) (id string) {
	t.Helper()
	bucket := "flow-logs-" + p.account + "-" + p.region
	p.createBucket(t, bucket)
	vpc, err := p.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	out, err := p.ec2.CreateFlowLogs(t.Context(), &ec2.CreateFlowLogsInput{
		ResourceIds: []string{*vpc.Vpc.VpcId}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::" + bucket),
	})
	must(t, err)
	if len(out.FlowLogIds) != 1 {
		t.Fatalf("created %v, unsuccessful %+v", out.FlowLogIds, out.Unsuccessful)
	}
	return out.FlowLogIds[0]
}

func (p *place) createBucket(t *testing.T, bucket string) {
	t.Helper()
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if p.region != "us-east-1" {
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(p.region)}
	}
	_, err := p.s3.CreateBucket(t.Context(), in)
	must(t, err)
}

// attack deletes a flow log, and sends the record as CloudTrail does.
func (p *place) attack(t *testing.T, id string) {
	t.Helper()
	p.put(t, p.deletes(t, id))
}

// deletes deletes a flow log, and returns the record of it.
func (p *place) deletes(t *testing.T, id string) (record string) {
	t.Helper()
	_, err := p.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
	must(t, err)
	text, err := json.Marshal(map[string]any{
		"eventVersion": "1.09", "eventTime": time.Now().UTC().Format(time.RFC3339), "eventID": rand.Text(),
		"eventSource": "ec2.amazonaws.com", "eventName": "DeleteFlowLogs", "eventType": "AwsApiCall",
		"awsRegion": p.region, "recipientAccountId": p.account, "sourceIPAddress": "198.51.100.7",
		"userIdentity":      map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::" + p.account + ":user/mallory", "accountId": p.account, "userName": "mallory"},
		"requestParameters": map[string]any{"DeleteFlowLogsRequest": map[string]any{"FlowLogId": map[string]any{"tag": 1, "content": id}}},
		"responseElements":  map[string]any{"DeleteFlowLogsResponse": map[string]any{"unsuccessful": ""}},
	})
	must(t, err)
	return string(text)
}

// restored returns an error unless AWS has exactly one flow log, which replaces the lost one.
func (p *place) restored(t *testing.T, lost string) error {
	t.Helper()
	out, err := p.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	must(t, err)
	for _, f := range out.FlowLogs {
		for _, tag := range f.Tags {
			if len(out.FlowLogs) == 1 && aws.ToString(tag.Key) == "flowkeeper:restored-from" && aws.ToString(tag.Value) == lost {
				return nil
			}
		}
	}
	return fmt.Errorf("%s/%s: %d flow logs, none of them replaces %s", p.account, p.region, len(out.FlowLogs), lost)
}

// process is `flowkeeper run` in a process of its own.
type process struct {
	binary, config string
	env            []string
	cmd            *exec.Cmd
	stderr         *lockedBuffer
	done           chan struct{} // closed once it has ended
}

// binary is the one in FLOWKEEPER_BIN, or one that is built now.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("FLOWKEEPER_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "flowkeeper")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "flowkeeper/cmd/flowkeeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build flowkeeper: %v\n%s", err, out)
	}
	return path
}

// startDaemon runs the daemon with the configuration of the stack's outputs, which ends in `inventory:`, and with
// more lines of the test. The schedule is far off, so a flow log that comes back was restored because of its event.
func startDaemon(t *testing.T, binary string, home *place, configuration string) *process {
	t.Helper()
	dir := t.TempDir()
	d := &process{binary: binary, config: filepath.Join(dir, "flowkeeper.yaml"), stderr: &lockedBuffer{}, done: make(chan struct{})}
	must(t, os.WriteFile(d.config, []byte(configuration), 0o600))
	d.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + home.account, "AWS_SECRET_ACCESS_KEY=any-secret", "FLOWKEEPER_AWS_ENDPOINT_URL=" + home.inst.Endpoint,
		"FLOWKEEPER_AWS_REGION=" + home.region, "FLOWKEEPER_STATE_PATH=" + filepath.Join(dir, "state.db"), "FLOWKEEPER_HTTP_LISTEN=",
		"FLOWKEEPER_INVENTORY_SCHEDULE=@every 1h", "FLOWKEEPER_INVENTORY_SETTLE=2s", "FLOWKEEPER_QUEUE_WAIT_TIME=5s", "FLOWKEEPER_REHEARSAL_SCHEDULE=",
	}
	d.cmd = exec.Command(d.binary, "run", "--config", d.config)
	d.cmd.Env, d.cmd.Stderr = d.env, d.stderr
	must(t, d.cmd.Start())
	go func() {
		d.cmd.Wait() // the exit code stays in ProcessState
		close(d.done)
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.stderr)
		}
	})
	return d
}

// knows returns an error unless the snapshot has a flow log as protected.
func (d *process) knows(id string) error {
	select {
	case <-d.done:
		return errors.New("the daemon has ended: " + d.stderr.String())
	default:
	}
	show := exec.Command(d.binary, "inventory", "show", id, "--json", "--config", d.config)
	show.Env = d.env
	out, err := show.CombinedOutput()
	if err != nil {
		return fmt.Errorf("inventory show %s: %w: %s", id, err, out)
	}
	return nil
}

// shell is a script that runs a command of the daemon's own binary with its configuration. Other commands succeed.
func (d *process) shell(command string) string {
	script := fmt.Sprintf("[ \"$1\" = %s ] || exit 0\nexec env", command)
	for _, v := range d.env {
		script += " '" + v + "'"
	}
	return script + fmt.Sprintf(" %q \"$@\" --config %q", d.binary, d.config)
}

// stop ends the daemon, and wants exit code 0.
func (d *process) stop(t *testing.T) {
	t.Helper()
	must(t, d.cmd.Process.Signal(syscall.SIGTERM))
	await(t, func() error {
		select {
		case <-d.done:
			return nil
		default:
			return errors.New("still running after SIGTERM")
		}
	})
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %v, want exit code 0", d.cmd.ProcessState)
	}
}

// lockedBuffer is written by the process's reader and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
