//go:build peers

// Package peers_test compares how fast Flowkeeper and Cloud Custodian restore a flow log, on the same imitation of
// AWS (moto) and on this machine: `make bench-peers`. It asserts no times; people read the table
// (docs/benchmarks.md).
package peers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// deletions is how many deletions are measured for each peer. Each is on another VPC, because a flow log that is
// deleted again and again is restored less often.
const deletions = 7

// peer is a program that restores flow logs. start begins it on an AWS, and returns a function that delivers an
// event to it. The program ends with the test.
type peer struct {
	name  string
	start func(t *testing.T, w *world) (deliver func(event string))
}

func TestPeers(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-18s %10s %14s %14s\n", "", "flow logs", "median", "slowest")
	for _, n := range []int{7, 600} {
		for _, p := range []peer{{"Flowkeeper", startFlowkeeper}, {"Cloud Custodian", startCustodian}} {
			ok := t.Run(fmt.Sprintf("%s/%d", p.name, n), func(t *testing.T) {
				took := measure(t, newWorld(t, n), p)
				fmt.Fprintf(&table, "%-18s %10d %11.1f ms %11.1f ms\n", p.name, n, ms(took[len(took)/2]), ms(took[len(took)-1]))
			})
			if !ok {
				return
			}
		}
	}
	t.Logf("from the event's arrival to the answer of CreateFlowLogs, one deleted flow log of so many:\n%s", &table)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure deletes one flow log after another, and returns how long the peer took to restore each, sorted.
func measure(t *testing.T, w *world, p peer) (took []time.Duration) {
	deliver := p.start(t, w)
	for _, vpc := range w.vpcs[:deletions] {
		id := w.on(t, vpc)
		_, err := w.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{id}})
		must(t, err)
		w.created.forget()
		began := time.Now()
		deliver(deletion(id))
		at := w.created.await(t)
		took = append(took, at.Sub(began))
		w.on(t, vpc) // fails unless the flow log is there
		time.Sleep(time.Second)
	}
	slices.Sort(took)
	return took
}

// deletion is the event that EventBridge sends of a DeleteFlowLogs call.
func deletion(id string) string {
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"0","id":%[1]q,"detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":%[2]q,"time":%[4]q,"region":%[3]q,"resources":[],`+
		`"detail":{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[2]s:user/mallory","accountId":%[2]q},`+
		`"eventTime":%[4]q,"eventSource":"ec2.amazonaws.com","eventName":"DeleteFlowLogs","awsRegion":%[3]q,`+
		`"requestParameters":{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":%[1]q}}},"responseElements":{"DeleteFlowLogsResponse":{"unsuccessful":""}},`+
		`"eventID":"event-of-%[5]s","recipientAccountId":%[2]q,"eventType":"AwsApiCall"}}`, id, account, region, now, id)
}

// on is the ID of the only flow log on a VPC.
func (w *world) on(t *testing.T, vpc string) string {
	t.Helper()
	out, err := w.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{Filter: byResource(vpc)})
	must(t, err)
	if len(out.FlowLogs) != 1 {
		t.Fatalf("%d flow logs on %s", len(out.FlowLogs), vpc)
	}
	return aws.ToString(out.FlowLogs[0].FlowLogId)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within is the context of a measurement, which may take five minutes.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
