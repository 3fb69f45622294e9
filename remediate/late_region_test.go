package remediate_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"flowkeeper/internal/fakeaws"
	"flowkeeper/inventory"
)

// TestALateRegionTrustsNobody: an attacker enables a Region and makes a flow log there, to a
// destination of his own. The Region's first refresh does not trust that destination. While
// the account is being installed, what a Region's first refresh finds is trusted.
func TestALateRegionTrustsNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later time.Duration
		held  bool
	}{"at the installation": {time.Hour, false}, "later": {25 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.protect(1)
			s.sleep(c.later)
			other := inventory.Scope{Account: account, Region: "us-east-1"}
			s.world.AddDestination("arn:aws:s3:::evil")
			far := s.world.Plant(account, other.Region, fakeaws.FlowLog{ResourceID: "vpc-far", TrafficType: "ALL", LogDestinationType: "s3", LogDestination: "arn:aws:s3:::evil",
				LogFormat: "${version}", MaxAggregationInterval: 60, FileFormat: "parquet", CreatedAt: s.now})
			options := s.api.Options()
			options.Region = other.Region
			s.r.Fleet = fleet{scope: s.api, other: ec2.New(options)}
			_, err := s.r.Refresh(t.Context(), other)
			s.must(err)
			near := s.plant("vpc-1", func(f *fakeaws.FlowLog) { f.LogDestination = "arn:aws:s3:::evil" })
			s.refresh()
			for _, id := range []string{far, near} {
				if row := s.row(id); row.Held != c.held || row.Protected == c.held {
					t.Errorf("%s is held: %t, protected: %t", id, row.Held, row.Protected)
				}
			}
		})
	}
}
