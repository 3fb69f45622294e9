package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"flowkeeper/configs"
	"flowkeeper/internal/daemon"
	"flowkeeper/internal/fakeaws"
)

const samples = 100

// BenchmarkRestore measures the time from the message in the queue to the answer of CreateFlowLogs, and to the
// alert at the webhook. Flowkeeper commits to a real disk in between, and must not alert before that; the bare loop
// stores nothing.
func BenchmarkRestore(b *testing.B) {
	for _, c := range []struct {
		name    string
		latency time.Duration
	}{{"latency=20ms", 20 * time.Millisecond}, {"latency=0", 0}} {
		b.Run(c.name, func(b *testing.B) {
			bareCreate, bareAlert := newBed(b, c.latency).measure(b, (*bed).bare)
			create, alert := newBed(b, c.latency).measure(b, (*bed).flowkeeper)
			b.Logf("\nsend to CreateFlowLogs answered: flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median), %.2f (p90)"+
				"\nsend to alert received:          flowkeeper %s\n                                 bare loop  %s   ratio %.2f (median)"+
				"\none commit to this disk:         %s",
				create, bareCreate, ratio(create.median, bareCreate.median), ratio(create.p90, bareCreate.p90), alert, bareAlert, ratio(alert.median, bareAlert.median), commit(b))
			b.ReportMetric(ratio(create.median, bareCreate.median), "create/bare")
			b.ReportMetric(ratio(alert.median, bareAlert.median), "alert/bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measure sends one deletion after another to a program, and returns the times.
func (s *bed) measure(b *testing.B, program func(*bed, context.Context, chan<- struct{}) error) (create, alert spread) {
	ids := s.plant(samples)
	ctx, stop := context.WithCancel(within(b, 5*time.Minute))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- program(s, ctx, ready) }()
	select {
	case <-ready:
	case err := <-done:
		b.Fatal("it ended at once: ", err)
	}
	var creates, alerts []time.Duration
	for n, id := range ids {
		s.world.Remove(account, region, id)
		sent := time.Now()
		must(b, s.world.Send(s.queue, deletion(id)))
		alerts = append(alerts, s.nextPage(ctx).Sub(sent))
		creates = append(creates, s.nthCreate(ctx, n).Sub(sent))
		s.settled(ctx)
	}
	stop()
	must(b, <-done)
	return spreadOf(creates), spreadOf(alerts)
}

func (s *bed) nextPage(ctx context.Context) time.Time {
	select {
	case t := <-s.paged:
		return t
	case <-ctx.Done():
		s.b.Fatal("no alert: ", ctx.Err())
		return time.Time{}
	}
}

// nthCreate is when the nth create was answered.
func (s *bed) nthCreate(ctx context.Context, n int) time.Time {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if calls := s.world.Calls("CreateFlowLogs"); len(calls) > n {
			if calls[n].Code != "" {
				s.b.Fatal("refused: ", calls[n].Code)
			}
			return calls[n].Time
		}
		<-tick.C
	}
	s.b.Fatal("no create: ", ctx.Err())
	return time.Time{}
}

// quiet is the time between two deletions. It lets the program begin its next long poll, and keeps it below the
// pace of EC2 calls, five creates a second.
const quiet = 200 * time.Millisecond

// settled waits until the message is acknowledged, and then for quiet.
func (s *bed) settled(ctx context.Context) {
	defer time.Sleep(quiet)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if visible, flying := s.world.QueueDepth(s.queue); visible+flying == 0 {
			return
		}
		<-tick.C
	}
}

// flowkeeper is the daemon as users run it.
func (s *bed) flowkeeper(ctx context.Context, ready chan<- struct{}) error {
	c := configs.Default()
	c.Queue.URL = s.queueURL
	c.AWS.Region, c.HTTP.Listen = region, ""
	c.Inventory.Schedule = "@every 1h"
	c.State.Path = filepath.Join(disk(s.b), "state.db")
	c.Alerts = []configs.Sink{{Type: "webhook", Name: "pager", URL: s.pager + "/deletions", MinLevel: "high"}}
	d := &daemon.Daemon{
		Config: c, Log: slog.New(slog.DiscardHandler), Version: "bench",
		AWS: aws.Config{Region: region, BaseEndpoint: &s.url, Credentials: s.user()},
	}
	started := make(chan struct{})
	d.Ready = func() { close(started) }
	go func() {
		<-started
		for !d.Refreshed() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		close(ready)
	}()
	return d.Run(ctx)
}

// bare makes the same calls in a loop, and stores nothing. When ctx ends it stops, even in the middle of a
// round.
func (s *bed) bare(ctx context.Context, ready chan<- struct{}) error {
	close(ready)
	for ctx.Err() == nil {
		out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 20})
		if err != nil {
			break
		}
		for _, m := range out.Messages {
			err := s.bareRestore(ctx, aws.ToString(m.Body))
			if err == nil {
				_, err = s.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &s.queueURL, ReceiptHandle: m.ReceiptHandle})
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

func (s *bed) bareRestore(ctx context.Context, body string) error {
	var m struct {
		Detail struct {
			AWSRegion         string
			RequestParameters struct {
				DeleteFlowLogsRequest struct{ FlowLogId struct{ Content string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return err
	}
	id := m.Detail.RequestParameters.DeleteFlowLogsRequest.FlowLogId.Content
	posted := make(chan error, 1)
	go func() {
		r, err := http.Post(s.pager, "application/json", strings.NewReader(body))
		if err == nil {
			err = r.Body.Close()
		}
		posted <- err
	}()
	resource := s.resource[id]
	there := func(o *ec2.Options) { o.Region = m.Detail.AWSRegion }
	_, err := s.ec2.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("resource-id"), Values: []string{resource}}}}, there)
	if err == nil {
		f := flowLog(resource)
		_, err = s.ec2.CreateFlowLogs(ctx, createInput(f, id, f.Tags), there)
	}
	return errors.Join(err, <-posted)
}

// createInput are the parameters that make flow logs like f on its resource and on more resources.
func createInput(f fakeaws.FlowLog, token string, tags map[string]string, more ...string) *ec2.CreateFlowLogsInput {
	return &ec2.CreateFlowLogsInput{
		ResourceIds: append([]string{f.ResourceID}, more...), ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll, ClientToken: &token,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: &f.LogDestination, LogFormat: &f.LogFormat, MaxAggregationInterval: aws.Int32(60),
		DestinationOptions: &types.DestinationOptionsRequest{FileFormat: types.DestinationFileFormatParquet},
		TagSpecifications:  []types.TagSpecification{{ResourceType: types.ResourceTypeVpcFlowLog, Tags: ec2Tags(tags)}},
	}
}

func ec2Tags(tags map[string]string) (out []types.Tag) {
	for k, v := range tags {
		out = append(out, types.Tag{Key: &k, Value: &v})
	}
	return out
}
