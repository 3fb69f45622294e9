package trust_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowkeeper/inventory"
	"flowkeeper/remediate/incident"
	"flowkeeper/remediate/trust"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scope = inventory.Scope{Account: "111122223333", Region: "eu-west-1"}
)

// stored is a transaction with what a store has of destinations. It notes what is asked and approved.
type stored struct {
	trust.Tx
	noted    map[string]time.Time
	trusted  map[inventory.Recipient]bool // approved before
	live     map[inventory.Recipient]bool // a protected live flow log delivers there
	lost     map[inventory.Scope][]inventory.Row
	held     []inventory.Row
	asked    []inventory.Recipient
	approved []inventory.Recipient
}

func (s *stored) NewDestination(_ inventory.Scope, destination string, at time.Time) (bool, error) {
	_, known := s.noted[destination]
	if !known {
		s.noted[destination] = at
	}
	return !known, nil
}

func (s *stored) Approved(r inventory.Recipient) (bool, error) {
	s.asked = append(s.asked, r)
	return s.trusted[r], nil
}

func (s *stored) DeliversTo(r inventory.Recipient) (bool, error) { return s.live[r], nil }

func (s *stored) EverDelivered(inventory.Recipient) ([]inventory.Scope, error) {
	return slices.Collect(maps.Keys(s.lost)), nil
}

func (s *stored) LostFlowLogs(scope inventory.Scope) ([]inventory.Row, error) {
	return s.lost[scope], nil
}

func (s *stored) Approve(r inventory.Recipient) error {
	s.approved = append(s.approved, r)
	return nil
}

func (s *stored) Held() ([]inventory.Row, error) { return s.held, nil }

// to returns a flow log that delivers to a bucket.
func to(id, bucket string) inventory.FlowLog {
	f := inventory.FlowLog{ID: id, Scope: scope, CreatedAt: noon}
	f.ResourceID, f.LogDestinationType, f.LogDestination = "vpc-1", "s3", "arn:aws:s3:::"+bucket
	return f
}

// TestWhereAFlowLogDelivers: whether a recipient is trusted is read only if flow logs may be held, and for a
// trusted one only once in a transaction.
func TestWhereAFlowLogDelivers(t *testing.T) {
	t.Parallel()
	ours := inventory.RecipientOf("arn:aws:s3:::ours")
	for name, tt := range map[string]struct {
		mayHold bool
		buckets []string
		want    []incident.DestinationFacts
		asked   int
	}{
		"nothing is held yet":             {false, []string{"ours", "evil"}, []incident.DestinationFacts{{New: true, Trusted: true}, {New: true, Trusted: true}}, 0},
		"a trusted recipient":             {true, []string{"ours", "ours"}, []incident.DestinationFacts{{New: true, Trusted: true}, {Trusted: true}}, 1},
		"a recipient that is not trusted": {true, []string{"evil", "evil"}, []incident.DestinationFacts{{New: true}, {}}, 2},
		"another prefix of a bucket":      {true, []string{"ours", "ours/a"}, []incident.DestinationFacts{{New: true, Trusted: true}, {New: true, Trusted: true}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stored{noted: map[string]time.Time{}, trusted: map[inventory.Recipient]bool{ours: true}}
			facts := trust.Facts{Tx: s, Scope: scope, MayHold: tt.mayHold}
			var got []incident.DestinationFacts
			for _, bucket := range tt.buckets {
				is, err := facts.Of(to("fl-1", bucket), noon)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, is)
			}
			if !slices.Equal(got, tt.want) || len(s.asked) != tt.asked {
				t.Errorf("got %+v, and read %q; want %+v, and %d reads", got, s.asked, tt.want, tt.asked)
			}
		})
	}
}

// TestSinceWhenAPlaceIsKnown: a destination counts as known since the flow log was first seen, but not since
// before AWS created it: this machine's clock may be behind. A destination that the first refresh finds has the
// zero time, because it may have existed for long.
func TestSinceWhenAPlaceIsKnown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ since, want time.Time }{
		{noon.Add(time.Minute), noon.Add(time.Minute)},
		{noon.Add(-time.Minute), noon},
		{time.Time{}, time.Time{}},
	} {
		s := &stored{noted: map[string]time.Time{}}
		facts := trust.Facts{Tx: s, Scope: scope}
		if _, err := facts.Of(to("fl-1", "ours"), tt.since); err != nil {
			t.Fatal(err)
		}
		if at := s.noted["arn:aws:s3:::ours"]; !at.Equal(tt.want) {
			t.Errorf("first seen %s, known since %s; want %s", tt.since, at, tt.want)
		}
	}
}

func TestApprove(t *testing.T) {
	t.Parallel()
	held := []inventory.Row{{FlowLog: to("fl-1", "evil/a")}, {FlowLog: to("fl-2", "other")}, {FlowLog: to("fl-3", "evil")}}
	held[2].Scope.Region = "us-east-1"
	for name, tt := range map[string]struct {
		destination string
		trusted     bool
		want        map[inventory.Scope][]string
		refused     string
	}{
		"all prefixes and Regions": {destination: "arn:aws:s3:::evil/b", want: map[inventory.Scope][]string{scope: {"fl-1"}, held[2].Scope: {"fl-3"}}},
		"trusted before":           {destination: "arn:aws:s3:::ours", trusted: true, want: map[inventory.Scope][]string{}},
		"nothing delivers there":   {destination: "arn:aws:s3:::nobody", refused: "inventory list --held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stored{held: held, trusted: map[inventory.Recipient]bool{inventory.RecipientOf(tt.destination): tt.trusted}}
			got, err := trust.Approve(s, []string{tt.destination})
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || len(s.approved) > 0 {
					t.Errorf("approved %q, %v; want an error with %q", s.approved, err, tt.refused)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) || !slices.Equal(s.approved, []inventory.Recipient{inventory.RecipientOf(tt.destination)}) {
				t.Errorf("%v are not held any more, %q is approved, %v; want %v", got, s.approved, err, tt.want)
			}
		})
	}
}

// TestWhomToTrust: a recipient is trusted if it was approved, or if a protected flow log delivers to it or did
// so until it was lost. An imported flow log does not count.
func TestWhomToTrust(t *testing.T) {
	t.Parallel()
	other := inventory.Scope{Account: "444455556666", Region: "us-east-1"}
	lost := func(bucket string, imported bool) map[inventory.Scope][]inventory.Row {
		return map[inventory.Scope][]inventory.Row{scope: {{FlowLog: to("fl-1", "another")}}, other: {{FlowLog: to("fl-2", bucket), Imported: imported}}}
	}
	ours := inventory.RecipientOf("arn:aws:s3:::ours")
	only := map[inventory.Recipient]bool{ours: true}
	for name, tt := range map[string]struct {
		stored stored
		want   bool
	}{
		"nothing is known":                {stored{}, false},
		"approved":                        {stored{trusted: only}, true},
		"a live flow log delivers there":  {stored{live: only}, true},
		"a lost flow log delivered there": {stored{lost: lost("ours/prefix", false)}, true},
		"a lost flow log delivered to a bucket of a similar name": {stored{lost: lost("ours-2", false)}, false},
		"an imported and lost flow log delivered there":           {stored{lost: lost("ours", true)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := trust.Trusted(&tt.stored, ours); err != nil || got != tt.want {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}
