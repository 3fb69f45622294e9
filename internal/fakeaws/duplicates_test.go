package fakeaws_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
)

// TestDuplicates: which creates are refused beside a plain flow log to the bucket.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		create  func(*ec2.CreateFlowLogsInput)
		refused bool // unless duplicates are allowed
	}{
		"equal":          {nil, true},
		"other traffic":  {func(in *ec2.CreateFlowLogsInput) { in.TrafficType = "REJECT" }, true},
		"other interval": {func(in *ec2.CreateFlowLogsInput) { in.MaxAggregationInterval = aws.Int32(60) }, true},
		"other prefix":   {func(in *ec2.CreateFlowLogsInput) { in.LogDestination = aws.String(bucketARN + "/p") }, false},
		"other resource": {func(in *ec2.CreateFlowLogsInput) { in.ResourceIds = []string{"vpc-2"} }, false},
	} {
		for _, allowed := range []bool{false, true} {
			for _, fails := range []bool{false, true} {
				w, api, _ := testWorld(t)
				w.Configure(func(s *fakeaws.EC2Settings) { s.Duplicates, s.ExistsFails = allowed, fails })
				w.Plant(acct, region, inS3("vpc-1", nil))
				out, err := api.CreateFlowLogs(t.Context(), toBucket("vpc-1", c.create))
				refused := code(err) == "FlowLogAlreadyExists"
				if !fails && err == nil && len(out.Unsuccessful) == 1 {
					refused = *out.Unsuccessful[0].Error.Code == "FlowLogAlreadyExists"
				}
				if refused != (c.refused && !allowed) || (len(w.FlowLogs(acct, region)) == 1) != refused {
					t.Errorf("%s, duplicates %t, as an error %t: %v, %v", name, allowed, fails, out, err)
				}
			}
		}
	}
}
