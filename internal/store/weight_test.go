package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"flowkeeper/inventory"
)

// TestWhatAFlowLogTakes: a flow log takes at most 600 bytes of the file, including its share of all indexes. Each scope
// of the test has about 300 flow logs with equal settings and random IDs.
func TestWhatAFlowLogTakes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	empty := s.count(t, `PRAGMA page_count`)
	chance := rand.New(rand.NewPCG(1, 2))
	id := func(kind string) string { return fmt.Sprintf("%s-%017x", kind, chance.Uint64()) }
	const scopes, each, most = 20, 294, 600
	for n := range scopes {
		in := inventory.Scope{Account: fmt.Sprint(111122223333 + n*7%scopes), Region: "ap-southeast-2"}
		at := noon.Add(time.Duration(n) * 1234567 * time.Microsecond)
		s.put(t, func(tx *Tx) error {
			for range each {
				resource := id("vpc")
				f := inventory.FlowLog{ID: id("fl"), Scope: in, Status: "ACTIVE", DeliverLogsStatus: "SUCCESS", CreatedAt: noon.Add(-time.Duration(chance.IntN(1e9)) * time.Millisecond),
					Settings: inventory.Settings{ResourceID: resource, TrafficType: "ALL", LogDestinationType: inventory.S3, LogDestination: "arn:aws:s3:::" + in.Account + "-flow-logs",
						LogFormat: "${version} ${account-id} ${srcaddr} ${dstaddr}", MaxAggregationInterval: 60, DestinationOptions: &inventory.DestinationOptions{FileFormat: "parquet"},
						Tags: map[string]string{"Name": resource, "Owner": "network"}}}
				if err := tx.PutFlowLog(inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Protected: true, FirstSeenAt: at, LastSeenAt: at, WrittenAt: at}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var page int64
	if err := s.r.QueryRow(`PRAGMA page_size`).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if got := (s.count(t, `PRAGMA page_count`) - empty) * page / (scopes * each); got > most {
		t.Errorf("%d bytes for each flow log, want at most %d", got, most)
	}
}
