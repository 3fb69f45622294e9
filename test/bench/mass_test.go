package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/internal/fakeaws/fakeawstest"
)

const (
	massSize    = 1000 // flow logs
	massLatency = 20 * time.Millisecond
)

// BenchmarkMass deletes 1,000 flow logs in one call: 600 are equal except for a tag of their own, 300 are equal,
// and 100 all differ. AWS limits calls as it documents, and sends records of all calls. The bare loop knows what
// was lost, asks AWS what is there, makes as few calls as AWS allows, in the order of the record, and stores
// nothing.
func BenchmarkMass(b *testing.B) {
	bare := newBed(b, massLatency).mass(b, func(s *bed) (stop func()) {
		ctx, cancel := context.WithCancel(within(b, 5*time.Minute))
		done := make(chan struct{})
		go func() { defer close(done); s.bareMass(ctx) }()
		return func() { cancel(); <-done }
	})
	var idle, peak float64
	ours := newBed(b, massLatency).mass(b, func(s *bed) (stop func()) {
		p := s.start(b, s.pager, 1, "")
		p.forgetPeak(b)
		idle, _ = p.memory(b)
		return func() {
			_, peak = p.memory(b)
			p.stop(b)
		}
	})
	b.Logf("\n%d flow logs deleted in one call:\nflowkeeper %s\nbare loop  %s\nratio      half %.2f, last %.2f, tags %.2f\nresident memory: %.0f MB idle, at most %.0f MB more",
		massSize, ours, bare, ratio(ours.half, bare.half), ratio(ours.last, bare.last), ratio(ours.tagged, bare.tagged), idle, peak-idle)
	b.ReportMetric(ratio(ours.half, bare.half), "half/bare")
	b.ReportMetric(ratio(ours.last, bare.last), "last/bare")
	b.ReportMetric(ratio(ours.tagged, bare.tagged), "tagged/bare")
	b.ReportMetric(float64(ours.creates), "creates")
	b.ReportMetric(peak-idle, "MB-above-idle")
	b.ReportMetric(0, "ns/op")
}

// massTimes is how long a mass restore took, from AWS's answer to the deletion.
type massTimes struct {
	alert, half, last, tagged time.Duration // until the deletion alert came, half of the flow logs were back, all were back, all had their tags
	creates, tags             int           // calls that AWS accepted
	throttled                 int           // calls that AWS throttled
}

func (m massTimes) String() string {
	return fmt.Sprintf("alert %4.1f s, half %4.1f s, last %4.1f s, all tags %4.1f s; %d CreateFlowLogs, %d CreateTags, %d throttled",
		m.alert.Seconds(), m.half.Seconds(), m.last.Seconds(), m.tagged.Seconds(), m.creates, m.tags, m.throttled)
}

// mass starts a program, deletes all flow logs, and waits until they are back with their tags.
func (s *bed) mass(b *testing.B, start func(*bed) (stop func())) (m massTimes) {
	var ids []string
	lost := map[string]fakeaws.FlowLog{} // by resource
	for n := range massSize {
		f := massFlowLog(n)
		lost[f.ResourceID] = f
		f.ID = s.world.Plant(account, region, f)
		s.resource[f.ID] = f.ResourceID
		ids = append(ids, f.ID)
	}
	stop := start(s)
	s.world.SetRates(fakeawstest.AWSRates())
	s.world.TrailTo(s.queue)
	mallory := s.world.User(account, "mallory", true)
	_, err := ec2.New(ec2.Options{Region: region, BaseEndpoint: &s.url, Credentials: credentials.NewStaticCredentialsProvider(mallory.AccessKeyID, mallory.SecretAccessKey, "")}).
		DeleteFlowLogs(b.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: ids})
	must(b, err)
	began := time.Now()
	ctx := within(b, 5*time.Minute)
	m.alert = s.nextPage(ctx).Sub(began)
	for !s.isAsBefore(lost) {
		if ctx.Err() != nil {
			b.Fatalf("%d of %d are back, and not all as they were", len(s.world.FlowLogs(account, region)), massSize)
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	back := 0
	for _, c := range s.world.Calls("") {
		took := c.Time.Sub(began)
		switch {
		case c.Code == "RequestLimitExceeded":
			m.throttled++
		case c.Code != "":
		case c.Operation == "CreateTags":
			m.tags++
			m.tagged = took
		case c.Operation == "CreateFlowLogs":
			m.creates++
			if back < massSize/2 && back+len(c.IDs) >= massSize/2 {
				m.half = took
			}
			back += len(c.IDs)
			m.last = took
		}
	}
	return m
}

// massFlowLog is the nth flow log; its kind depends on n, so that kinds are mixed.
func massFlowLog(n int) fakeaws.FlowLog {
	f := flowLog(vpc(n))
	switch {
	case n%10 < 6: // it has a Name of its own
	case n%10 < 9:
		f.LogDestination += "/equal"
		delete(f.Tags, "Name")
	default:
		fields := []string{"${version}"}
		for bit, field := range []string{"${srcaddr}", "${dstaddr}", "${srcport}", "${dstport}", "${protocol}", "${packets}", "${bytes}"} {
			if (n/10+1)>>bit&1 == 1 {
				fields = append(fields, field)
			}
		}
		f.LogFormat = strings.Join(fields, " ")
	}
	return f
}

// isAsBefore reports whether each of these flow logs is back exactly once, with its tags.
func (s *bed) isAsBefore(lost map[string]fakeaws.FlowLog) bool {
	live := s.world.FlowLogs(account, region)
	if len(live) < massSize {
		return false
	}
	for _, f := range live {
		before := lost[f.ResourceID]
		if f.LogFormat != before.LogFormat || f.LogDestination != before.LogDestination {
			s.b.Fatalf("%s is not what it was", f.ResourceID)
		}
		for k, v := range before.Tags {
			if f.Tags[k] != v {
				return false
			}
		}
	}
	if len(live) > massSize {
		s.b.Fatalf("%d flow logs", len(live))
	}
	return true
}

// bareMass restores the flow logs that the first message names.
func (s *bed) bareMass(ctx context.Context) {
	out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.queueURL, WaitTimeSeconds: 20})
	must(s.b, err)
	body := aws.ToString(out.Messages[0].Body)
	var m struct {
		Detail struct {
			RequestParameters struct {
				DeleteFlowLogsRequest struct{ FlowLogId []struct{ Content string } }
			}
		}
	}
	must(s.b, json.Unmarshal([]byte(body), &m))
	var calls sync.WaitGroup
	defer calls.Wait()
	calls.Go(func() {
		if r, err := http.Post(s.pager, "application/json", strings.NewReader(body)); err == nil {
			r.Body.Close()
		}
	})
	var resources []string
	for _, id := range m.Detail.RequestParameters.DeleteFlowLogsRequest.FlowLogId {
		resources = append(resources, s.resource[id.Content])
	}
	for some := range slices.Chunk(resources, 200) {
		_, err := s.ec2.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String("resource-id"), Values: some}}})
		must(s.b, err)
	}
	for n, group := range massGroups(resources) {
		shared := maps.Clone(group[0].Tags)
		var more []string
		for _, f := range group[1:] {
			maps.DeleteFunc(shared, func(k, v string) bool { return f.Tags[k] != v })
			more = append(more, f.ResourceID)
		}
		var ids []string
		s.untilAllowed(ctx, func() error {
			out, err := s.ec2.CreateFlowLogs(ctx, createInput(group[0], fmt.Sprint("group-", n), shared, more...))
			if err == nil {
				ids = out.FlowLogIds
			}
			return err
		})
		if len(group[0].Tags) > len(shared) {
			calls.Go(func() { s.bareTags(ctx, ids) })
		}
	}
}

// massGroups are the groups of flow logs on these resources that one create can make.
func massGroups(resources []string) (groups [][]fakeaws.FlowLog) {
	const most = 300 // resources of one call
	place := map[[2]string]int{}
	for n := range resources {
		f := massFlowLog(n)
		key := [2]string{f.LogDestination, f.LogFormat}
		at, there := place[key]
		if !there || len(groups[at]) == most {
			at = len(groups)
			place[key], groups = at, append(groups, nil)
		}
		groups[at] = append(groups[at], f)
	}
	return groups
}

// bareTags gives each flow log the tags that differ within its call.
func (s *bed) bareTags(ctx context.Context, ids []string) {
	var made []types.FlowLog
	for some := range slices.Chunk(ids, 200) {
		out, err := s.ec2.DescribeFlowLogs(ctx, &ec2.DescribeFlowLogsInput{FlowLogIds: some})
		must(s.b, err)
		made = append(made, out.FlowLogs...)
	}
	for _, f := range made {
		s.untilAllowed(ctx, func() error {
			_, err := s.ec2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*f.FlowLogId}, Tags: []types.Tag{{Key: aws.String("Name"), Value: f.ResourceId}}})
			return err
		})
	}
}

// untilAllowed repeats a call until AWS does not throttle it. A throttled call costs no token.
func (s *bed) untilAllowed(ctx context.Context, call func() error) {
	for {
		err := call()
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "RequestLimitExceeded" {
			if ctx.Err() == nil {
				must(s.b, err)
			}
			return
		}
		time.Sleep(30 * time.Millisecond)
	}
}
