package inventory

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// Describer is what a refresh asks of *ec2.Client.
type Describer interface {
	DescribeFlowLogs(context.Context, *ec2.DescribeFlowLogsInput, ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error)
}

// Known is what the snapshot remembers of one flow log, as far as a listing
// needs to compare.
type Known struct {
	Num    int64 // small and dense: the row's place in a Seen
	State  State
	Digest [16]byte
}

// Snapshot is the durable set of rows.
type Snapshot interface {
	// Known finds rows by flow log ID; what it does not find is absent.
	Known(ctx context.Context, scope Scope, ids []string) (map[string]Known, error)
	// Unseen returns live rows after the row number given, in its order, that
	// were written before a time and are not in seen; at most limit.
	Unseen(ctx context.Context, scope Scope, seen *Seen, before time.Time, after int64, limit int) (rows []Row, last int64, err error)
	// Refreshed records a complete listing that began at started.
	Refreshed(ctx context.Context, scope Scope, started, ended time.Time) error
}

// Seen is a set of row numbers: one bit each, so that a listing of any size
// can be remembered.
type Seen struct{ words []uint64 }

// Add puts a row number into the set.
func (s *Seen) Add(n int64) {
	w := int(n / 64)
	for w >= len(s.words) {
		s.words = append(s.words, 0)
	}
	s.words[w] |= 1 << (n % 64)
}

// Has reports whether the row number is in the set.
func (s *Seen) Has(n int64) bool {
	w := int(n / 64)
	return w < len(s.words) && s.words[w]&(1<<(n%64)) != 0
}

// Len counts the set.
func (s *Seen) Len() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Counts of one refresh.
type Counts struct {
	Listed  int `json:"listed"`
	New     int `json:"new"`
	Changed int `json:"changed"`
	Lost    int `json:"lost"`
}

// Refresher brings the snapshot up to date with AWS.
type Refresher struct {
	Snapshot Snapshot
	Settle   time.Duration
	Now      func() time.Time
	// Found is told of flow logs that AWS showed at a time and that are new or
	// changed. It leaves gone rows alone (I5).
	Found func(ctx context.Context, scope Scope, found []FlowLog, at time.Time) (added int, err error)
	// Lost is told of live rows that a complete listing did not show and that
	// AWS did not show by ID either: it makes them gone (drift).
	Lost func(ctx context.Context, scope Scope, rows []Row, started time.Time) error
	// Beside runs tasks at the same time, at most so many at once, and returns
	// the first error after all have ended.
	Beside func(most int, tasks ...func() error) error
}

const (
	pageSize    = 1000             // the most that DescribeFlowLogs gives
	confirmSize = 200              // the most values of one filter
	callTimeout = 30 * time.Second // of one Describe
)

// Refresh lists one scope, writes what changed, and reports what is lost.
// Any error leaves absence unbelieved: only a complete listing counts (I5).
func (r *Refresher) Refresh(ctx context.Context, scope Scope, api Describer) (Counts, error) {
	started := r.Now()
	var c Counts
	seen := &Seen{}
	if err := r.list(ctx, scope, api, seen, &c); err != nil {
		return c, err
	}
	if err := r.findLost(ctx, scope, api, seen, started, &c); err != nil {
		return c, err
	}
	return c, r.Snapshot.Refreshed(ctx, scope, started, r.Now())
}

var errSameToken = errors.New("AWS answered the same NextToken twice: the listing can't be complete")

// list writes one page while it asks for the next one.
func (r *Refresher) list(ctx context.Context, scope Scope, api Describer, seen *Seen, c *Counts) error {
	in := &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(pageSize)}
	out, err := describe(ctx, api, in, patient)
	for err == nil && aws.ToString(out.NextToken) != "" {
		page := out.FlowLogs
		if aws.ToString(out.NextToken) == aws.ToString(in.NextToken) {
			err = errSameToken
			break
		}
		in = &ec2.DescribeFlowLogsInput{MaxResults: in.MaxResults, NextToken: out.NextToken}
		err = r.Beside(2,
			func() error { return r.take(ctx, scope, page, seen, c) },
			func() (err error) { out, err = describe(ctx, api, in, patient); return err })
	}
	if err == nil {
		err = r.take(ctx, scope, out.FlowLogs, seen, c)
	}
	if err != nil {
		return fmt.Errorf("list flow logs of %s: %w", scope, err)
	}
	return nil
}

func describe(ctx context.Context, api Describer, in *ec2.DescribeFlowLogsInput, opts ...func(*ec2.Options)) (*ec2.DescribeFlowLogsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return api.DescribeFlowLogs(ctx, in, opts...)
}

// patient lets the SDK ask for a page again: one broken connection in a
// hundred pages should not cost the whole listing. (A look is asked again by
// its incident.)
func patient(o *ec2.Options) { o.RetryMaxAttempts = 4 }

// take compares one page with the snapshot and writes only what is new or
// changed. Gone rows that are listed all the same stay gone (I5).
func (r *Refresher) take(ctx context.Context, scope Scope, listed []types.FlowLog, seen *Seen, c *Counts) error {
	c.Listed += len(listed)
	found := make([]FlowLog, len(listed))
	ids := make([]string, len(listed))
	for i, d := range listed {
		found[i] = FromEC2(scope, d)
		ids[i] = found[i].ID
	}
	known, err := r.Snapshot.Known(ctx, scope, ids)
	if err != nil {
		return err
	}
	changed := found[:0]
	for _, f := range found {
		k, ok := known[f.ID]
		if ok {
			seen.Add(k.Num)
			if k.State == Gone || k.Digest == f.Digest() {
				continue
			}
		}
		changed = append(changed, f)
	}
	if len(changed) == 0 {
		return nil
	}
	added, err := r.Found(ctx, scope, changed, r.Now())
	c.New += added
	c.Changed += len(changed) - added
	return err
}

// findLost asks once more, by ID, for every row that the listing lacked and
// that is old enough for AWS to show it to everyone (I5).
func (r *Refresher) findLost(ctx context.Context, scope Scope, api Describer, seen *Seen, started time.Time, c *Counts) error {
	var after int64
	for {
		rows, last, err := r.Snapshot.Unseen(ctx, scope, seen, started.Add(-r.Settle), after, confirmSize)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return nil
		}
		after = last
		lost, err := absent(ctx, scope, api, rows)
		if err != nil {
			return err
		}
		if len(lost) == 0 {
			continue
		}
		c.Lost += len(lost)
		if err := r.Lost(ctx, scope, lost, started); err != nil {
			return err
		}
	}
}

// absent returns those rows that AWS does not show by ID.
func absent(ctx context.Context, scope Scope, api Describer, rows []Row) ([]Row, error) {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	shown, err := ByID(ctx, scope, api, ids)
	if err != nil {
		return nil, fmt.Errorf("confirm absence in %s: %w", scope, err)
	}
	var lost []Row
	for _, row := range rows {
		if _, ok := shown[row.ID]; !ok {
			lost = append(lost, row)
		}
	}
	return lost, nil
}

// ByID describes the flow logs named, at most 200. One that AWS does not have
// is absent from the answer. It asks with a filter, which an unknown ID does
// not turn into an error.
func ByID(ctx context.Context, scope Scope, api Describer, ids []string) (map[string]FlowLog, error) {
	return filtered(ctx, scope, api, "flow-log-id", ids)
}

// OnResources describes every flow log of the resources named, at most 200:
// an observation (docs/glossary.md), by flow log ID.
func OnResources(ctx context.Context, scope Scope, api Describer, resources []string) (map[string]FlowLog, error) {
	return filtered(ctx, scope, api, "resource-id", resources)
}

func filtered(ctx context.Context, scope Scope, api Describer, name string, values []string) (map[string]FlowLog, error) {
	found := map[string]FlowLog{}
	in := &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String(name), Values: values}}}
	for {
		out, err := describe(ctx, api, in)
		if err != nil {
			if len(values) == 1 && notFound(err) {
				return found, nil
			}
			return nil, err
		}
		for _, d := range out.FlowLogs {
			f := FromEC2(scope, d)
			found[f.ID] = f
		}
		if aws.ToString(out.NextToken) == "" {
			return found, nil
		}
		if aws.ToString(out.NextToken) == aws.ToString(in.NextToken) {
			return nil, errSameToken
		}
		in = &ec2.DescribeFlowLogsInput{Filter: in.Filter, NextToken: out.NextToken}
	}
}

// notFound tolerates an error for what is documented as an empty list
// (docs/aws.md, "Deleted flow logs"): only where one ID was asked for, or it would
// make others absent too.
func notFound(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "InvalidFlowLogId.NotFound"
}
