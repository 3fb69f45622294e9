package fakeaws_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws/fakeawstest"
)

// TestRates: each action has its own token bucket in each account and Region.
func TestRates(t *testing.T) {
	t.Parallel()
	w, api, c := testWorld(t)
	w.SetRates(fakeawstest.AWSRates())
	other := ec2Client(w, w.User("444455556666", "other", false))
	calls := map[string]func(*ec2.Client, ...func(*ec2.Options)) error{
		"CreateFlowLogs": func(api *ec2.Client, o ...func(*ec2.Options)) error {
			_, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-9", func(in *ec2.CreateFlowLogsInput) { in.DryRun = aws.Bool(true) }), o...)
			return err
		},
		"DeleteFlowLogs": func(api *ec2.Client, o ...func(*ec2.Options)) error {
			_, err := api.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: []string{"fl-1"}}, o...)
			return err
		},
		"DescribeFlowLogs": func(api *ec2.Client, o ...func(*ec2.Options)) error {
			_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{}, o...)
			return err
		},
		"CreateTags": func(api *ec2.Client, o ...func(*ec2.Options)) error {
			_, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{"fl-1"}, Tags: tagsOf("k", "v")}, o...)
			return err
		},
		"DescribeRegions": func(api *ec2.Client, o ...func(*ec2.Options)) error {
			_, err := api.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{}, o...)
			return err
		},
	}
	const tries = 150
	// answered makes up to tries calls of an action, until one is throttled, and returns how many were not.
	answered := func(action string) (n int) {
		for n < tries && code(calls[action](api)) != "RequestLimitExceeded" {
			n++
		}
		return n
	}
	wait := func(d time.Duration) { c.t = c.t.Add(d) }
	for action, want := range map[string]struct{ burst, second int }{
		"CreateFlowLogs": {50, 5}, "DeleteFlowLogs": {50, 5}, "DescribeFlowLogs": {100, 20}, "CreateTags": {100, 10}, "DescribeRegions": {tries, tries},
	} {
		t.Run(action, func(t *testing.T) {
			if n := answered(action); n != want.burst {
				t.Errorf("%d calls answered at once, want %d", n, want.burst)
			}
			if wait(time.Second); answered(action) != want.second {
				t.Errorf("after a second, more or fewer than %d calls are answered", want.second)
			}
			if wait(time.Hour); answered(action) != want.burst {
				t.Errorf("after an hour, more or fewer than %d calls are answered", want.burst)
			}
			if err := calls[action](other); code(err) == "RequestLimitExceeded" {
				t.Error("another account is throttled")
			}
			if err := calls[action](api, func(o *ec2.Options) { o.Region = "us-east-1" }); code(err) == "RequestLimitExceeded" {
				t.Error("another Region is throttled")
			}
			if wait(-time.Hour); answered(action) != 0 && want.burst != tries {
				t.Error("a clock that goes back fills the bucket")
			}
			if wait(time.Second); answered(action) != want.second {
				t.Errorf("a second after the clock went back, more or fewer than %d calls are answered", want.second)
			}
			throttled := 0
			for _, c := range w.Calls(action) {
				if c.Code != "RequestLimitExceeded" {
					continue
				}
				if throttled++; c.DryRun != (action == "CreateFlowLogs") {
					t.Errorf("the fake has noted a throttled call wrongly: %+v", c)
				}
			}
			if throttled == 0 && action == "CreateFlowLogs" {
				t.Error("no throttled call among the calls")
			}
		})
	}
	if w.SetRates(nil); answered("CreateTags") != tries {
		t.Error("without rates: throttled")
	}
}

// TestHalfAToken: a token bucket is filled continuously, not once a second.
func TestHalfAToken(t *testing.T) {
	t.Parallel()
	w, api, c := testWorld(t)
	w.SetRates(map[string]fakeawstest.Rate{"DescribeFlowLogs": {Burst: 1, PerSecond: 5}})
	describe := func() string {
		_, err := api.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
		return code(err)
	}
	for n, want := range []string{"<nil>", "RequestLimitExceeded", "<nil>", "RequestLimitExceeded"} {
		if got := describe(); got != want {
			t.Errorf("call %d: %s, want %s", n, got, want)
		}
		c.t = c.t.Add(100 * time.Millisecond)
	}
}
