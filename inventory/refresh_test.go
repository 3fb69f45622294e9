package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var scope = Scope{"111122223333", "eu-west-1"}

// describer answers pages by token, and filters by ID.
type describer struct {
	pages  map[string]*ec2.DescribeFlowLogsOutput
	err    map[string]error
	exists map[string]bool // for the confirmation by ID
}

func (d describer) DescribeFlowLogs(_ context.Context, in *ec2.DescribeFlowLogsInput, _ ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	if len(in.Filter) > 0 {
		out := &ec2.DescribeFlowLogsOutput{}
		for _, id := range in.Filter[0].Values {
			if d.exists[id] {
				out.FlowLogs = append(out.FlowLogs, described(id))
			}
		}
		return out, d.err["filter"]
	}
	token := aws.ToString(in.NextToken)
	return d.pages[token], d.err[token]
}

func described(id string) types.FlowLog {
	return types.FlowLog{FlowLogId: aws.String(id), ResourceId: aws.String("vpc-1"), FlowLogStatus: aws.String("ACTIVE")}
}

func pageOf(next string, ids ...string) *ec2.DescribeFlowLogsOutput {
	out := &ec2.DescribeFlowLogsOutput{}
	for _, id := range ids {
		out.FlowLogs = append(out.FlowLogs, described(id))
	}
	if next != "" {
		out.NextToken = &next
	}
	return out
}

// memory is a snapshot in memory, with the methods that a Diff needs.
type memory struct {
	rows    []Row
	learned []string
}

func (m *memory) Compare(_ context.Context, of *Listing, page []Listed) (changed []int, err error) {
	for index, l := range page {
		n := slices.IndexFunc(m.rows, func(r Row) bool { return r.ID == l.ID })
		if n >= 0 {
			of.Seen.Add(int64(n + 1))
		}
		if n < 0 || m.rows[n].State == Live && m.rows[n].Digest() != l.Digest {
			changed = append(changed, index)
		}
	}
	return changed, nil
}

func (m *memory) Unseen(_ context.Context, of *Listing, after string, limit int) (rows []Row, last string, err error) {
	last = after
	var nums []int64 // by ID
	for n := range m.rows {
		nums = append(nums, int64(n+1))
	}
	slices.SortFunc(nums, func(a, b int64) int { return strings.Compare(m.rows[a-1].ID, m.rows[b-1].ID) })
	for _, num := range nums {
		r := m.rows[num-1]
		if r.ID <= after || len(rows) == limit {
			continue
		}
		last = r.ID
		if r.State == Live && r.WrittenAt.Before(of.Before) && !of.Seen.Has(num) {
			rows = append(rows, r)
		}
	}
	return rows, last, nil
}

func (m *memory) LiveUnless(context.Context, Scope, func(string) bool, string, int) ([]Row, error) {
	return nil, nil
}

func (m *memory) Refreshed(context.Context, Scope, time.Time, time.Time) error { return nil }

func row(id string, written time.Time) Row {
	return Row{FlowLog: FromEC2(scope, described(id)), State: Live, WrittenAt: written}
}

// refresh uses a Diff as package remediate does.
func refresh(m *memory, d describer, now time.Time) (lost []string, listed int, err error) {
	ctx := context.Background()
	diff := NewDiff(m, scope, d, 2*time.Minute, now)
	for more := true; more; {
		var page []types.FlowLog
		var err error
		if page, more, err = diff.Page(ctx); err != nil {
			return nil, diff.Listed, err
		}
		changed, err := diff.Changed(ctx, page)
		if err != nil {
			return nil, diff.Listed, err
		}
		for _, f := range changed {
			m.learned = append(m.learned, f.ID)
		}
	}
	for {
		rows, more, err := diff.Lost(ctx)
		if err != nil || !more {
			return lost, diff.Listed, err
		}
		for _, r := range rows {
			lost = append(lost, r.ID)
		}
	}
}

func TestI5AbsenceIsBelievedOnlyAfterACompleteListing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	old := now.Add(-time.Hour)
	throttled := errors.New("throttled")
	for _, c := range []struct {
		name string
		rows []Row
		aws  describer
		lost []string
		fail bool
	}{
		{"nothing is lost", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("", "fl-1")}}, nil, false},
		{"one is lost", []Row{row("fl-1", old), row("fl-2", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("", "fl-1")}}, []string{"fl-2"}, false},
		{"an empty listing: all are lost", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("")}}, []string{"fl-1"}, false},
		{"the listing lacks it, but AWS shows it by ID", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("")}, exists: map[string]bool{"fl-1": true}}, nil, false},
		{"the second page fails", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("b")}, err: map[string]error{"b": throttled}}, nil, true},
		{"the confirmation fails", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("")}, err: map[string]error{"filter": throttled}}, nil, true},
		{"a token that repeats", []Row{row("fl-1", old)}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("b"), "b": pageOf("b")}}, nil, true},
		{"written within the consistency window", []Row{row("fl-1", now.Add(-time.Minute))}, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("")}}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := &memory{rows: c.rows}
			lost, _, err := refresh(m, c.aws, now)
			if (err != nil) != c.fail {
				t.Fatalf("error %v", err)
			}
			if !slices.Equal(lost, c.lost) {
				t.Errorf("lost %v, want %v", lost, c.lost)
			}
		})
	}
}

func TestI5AListingRevivesNothing(t *testing.T) {
	t.Parallel()
	gone := row("fl-1", time.Time{})
	gone.State = Gone
	gone.Tags = map[string]string{"changed": "since"}
	m := &memory{rows: []Row{gone}}
	_, listed, err := refresh(m, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("", "fl-1")}}, time.Now())
	if err != nil || len(m.learned) != 0 || listed != 1 {
		t.Errorf("learned %v, listed %d, error %v", m.learned, listed, err)
	}
}

func TestRefreshWritesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	changed := row("fl-2", time.Time{})
	changed.Tags = map[string]string{"old": "tag"}
	m := &memory{rows: []Row{row("fl-1", time.Time{}), changed}}
	_, _, err := refresh(m, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("b", "fl-1"), "b": pageOf("", "fl-2", "fl-3")}}, time.Now())
	if err != nil || !slices.Equal(m.learned, []string{"fl-2", "fl-3"}) {
		t.Errorf("learned %v, error %v", m.learned, err)
	}
}

func TestConfirmationIsAskedInPartsOfTheFilterLimit(t *testing.T) {
	t.Parallel()
	m := &memory{}
	var want []string
	for n := range 3*confirmSize + 7 {
		id := fmt.Sprintf("fl-%d", n)
		m.rows, want = append(m.rows, row(id, time.Time{})), append(want, id)
	}
	slices.Sort(want)
	lost, _, err := refresh(m, describer{pages: map[string]*ec2.DescribeFlowLogsOutput{"": pageOf("")}}, time.Now())
	if err != nil || !slices.Equal(lost, want) {
		t.Errorf("%d lost of %d, error %v", len(lost), len(want), err)
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()
	var s Seen
	for _, n := range []int64{0, 63, 64, 1000} {
		if s.Has(n) {
			t.Errorf("%d is in the set before it was added", n)
		}
		s.Add(n)
		if !s.Has(n) || s.Has(n+1) {
			t.Errorf("after %d was added, it is not in the set, or %d is", n, n+1)
		}
	}
}
