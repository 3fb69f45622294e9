package inventory

import (
	"context"
	"errors"
	"fmt"
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

// Listed is one flow log that AWS lists, as far as a snapshot compares it.
type Listed struct {
	ID     string
	Digest [16]byte
}

// Listing is what AWS has listed of a scope so far, in terms of its snapshot.
type Listing struct {
	Scope  Scope
	Seen   Seen      // the rows of the flow logs that it has
	Before time.Time // a complete listing must have each flow log whose row was written before this
}

// Snapshot is the durable set of rows.
type Snapshot interface {
	// Compare finds the flow logs on a page of a listing that have no row, or a live row with another
	// digest. It returns their indexes in the page, in order, and adds the rows of the page to l.Seen.
	Compare(ctx context.Context, l *Listing, page []Listed) (changed []int, err error)
	// Unseen returns live rows that a complete listing must have and does not have, sorted by ID: the
	// first ones after an ID, at most limit. last is the ID to continue after; if rows is empty, there
	// are no more.
	Unseen(ctx context.Context, l *Listing, after string, limit int) (rows []Row, last string, err error)
	// LiveUnless returns live rows sorted by ID: the first ones after an ID, at most limit. It leaves
	// out those that are restored when they are deleted and whose destination is fine.
	LiveUnless(ctx context.Context, scope Scope, fine func(destination string) bool, after string, limit int) ([]Row, error)
	// Refreshed records a complete listing that began at started.
	Refreshed(ctx context.Context, scope Scope, started, ended time.Time) error
}

// Seen is a set of row numbers. It has one bit for each row, so that a listing of any size fits
// into memory. It stores only words with at least one bit set, because the rows of a scope are few
// among those of all scopes. The zero Seen is empty.
type Seen struct{ words map[int64]uint64 }

// Add puts a row number into the set.
func (s *Seen) Add(n int64) {
	if s.words == nil {
		s.words = map[int64]uint64{}
	}
	s.words[n/64] |= 1 << (n % 64)
}

// Has reports whether the row number is in the set.
func (s *Seen) Has(n int64) bool { return s.words[n/64]&(1<<(n%64)) != 0 }

// Counts are the numbers of flow logs in one refresh.
type Counts struct {
	Listed  int `json:"listed"`  // that AWS listed
	New     int `json:"new"`     // of these, that the snapshot did not have
	Changed int `json:"changed"` // of these, whose row was changed
	Lost    int `json:"lost"`    // that AWS showed neither in the list nor by ID
}

// Diff compares AWS's listing of one scope with the snapshot. Its caller calls Page and
// Changed for each page of the listing, and then Lost until there are no more. One
// goroutine at a time uses it, except that Page may run at the same time as Changed of the
// page before.
type Diff struct {
	Started time.Time // of the listing
	Listed  int       // flow logs on the pages that Changed was asked about

	snapshot Snapshot
	api      Describer
	listing  Listing
	next     *ec2.DescribeFlowLogsInput // the page to be asked for
	after    string                     // the ID up to which Lost has looked
}

// NewDiff begins a listing at a time. A row that was written less than settle before that time does
// not count as lost: not all answers of AWS may show it yet.
func NewDiff(snapshot Snapshot, scope Scope, api Describer, settle time.Duration, started time.Time) *Diff {
	return &Diff{Started: started, snapshot: snapshot, api: api, listing: Listing{Scope: scope, Before: started.Add(-settle)},
		next: &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(pageSize)}}
}

const (
	pageSize    = 1000             // the most flow logs that DescribeFlowLogs returns
	confirmSize = 200              // the most values of one filter
	callTimeout = 30 * time.Second // of one Describe
)

var errSameToken = errors.New("AWS answered the same NextToken twice: the listing can't be complete")

// Page is the next page of the listing; more reports whether another follows. After an error
// no flow log counts as absent: only a complete listing counts (I5).
func (d *Diff) Page(ctx context.Context) (page []types.FlowLog, more bool, err error) {
	out, err := call(ctx, d.api.DescribeFlowLogs, d.next, withRetries)
	if err == nil && aws.ToString(out.NextToken) != "" && aws.ToString(out.NextToken) == aws.ToString(d.next.NextToken) {
		err = errSameToken
	}
	if err != nil {
		return nil, false, fmt.Errorf("list flow logs of %s: %w", d.listing.Scope, err)
	}
	d.next = &ec2.DescribeFlowLogsInput{MaxResults: aws.Int32(pageSize), NextToken: out.NextToken}
	return out.FlowLogs, aws.ToString(out.NextToken) != "", nil
}

// call makes a call of an EC2 client, such as client.DescribeTags, within callTimeout.
func call[In, Out any](ctx context.Context, do func(context.Context, *In, ...func(*ec2.Options)) (*Out, error), in *In, opts ...func(*ec2.Options)) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return do(ctx, in, opts...)
}

// withRetries lets the SDK ask for a page again: one broken connection in a hundred pages should
// not end the whole listing. (The next step repeats an observation that failed.)
func withRetries(o *ec2.Options) { o.RetryMaxAttempts = 4 }

// Changed are the flow logs of a page that the snapshot does not have, or has with another
// Digest. A gone row that AWS lists all the same stays gone (I5).
func (d *Diff) Changed(ctx context.Context, page []types.FlowLog) ([]FlowLog, error) {
	d.Listed += len(page)
	list := make([]Listed, len(page))
	for n, p := range page {
		f := FromEC2(d.listing.Scope, p)
		list[n] = Listed{f.ID, f.Digest()}
	}
	places, err := d.snapshot.Compare(ctx, &d.listing, list)
	if err != nil {
		return nil, fmt.Errorf("compare flow logs of %s with the snapshot: %w", d.listing.Scope, err)
	}
	changed := make([]FlowLog, len(places))
	for n, place := range places {
		changed[n] = FromEC2(d.listing.Scope, page[place])
	}
	return changed, nil
}

// Lost are the next live rows that the listing lacked and that AWS does not show by ID
// either; more is false after the last ones. Call it only after the last Page.
func (d *Diff) Lost(ctx context.Context) (lost []Row, more bool, err error) {
	rows, last, err := d.snapshot.Unseen(ctx, &d.listing, d.after, confirmSize)
	if err != nil || len(rows) == 0 {
		return nil, false, err
	}
	d.after = last
	lost, err = absent(ctx, d.listing.Scope, d.api, rows)
	return lost, err == nil, err
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

// ByID describes flow logs by their IDs, at most 200. A flow log that AWS does not have
// is absent from the answer. It asks with a filter, because an unknown ID in a filter is
// no error.
func ByID(ctx context.Context, scope Scope, api Describer, ids []string) (map[string]FlowLog, error) {
	return filtered(ctx, scope, api, "flow-log-id", ids)
}

// OnResources describes every flow log of some resources, at most 200 resources:
// an observation (docs/glossary.md), by flow log ID.
func OnResources(ctx context.Context, scope Scope, api Describer, resources []string) (map[string]FlowLog, error) {
	return filtered(ctx, scope, api, "resource-id", resources)
}

func filtered(ctx context.Context, scope Scope, api Describer, name string, values []string) (map[string]FlowLog, error) {
	found := map[string]FlowLog{}
	in := &ec2.DescribeFlowLogsInput{Filter: []types.Filter{{Name: aws.String(name), Values: values}}}
	for {
		out, err := call(ctx, api.DescribeFlowLogs, in)
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

// notFound reports whether AWS answered an error where its documentation says an empty
// list (docs/aws.md, "Deleted flow logs"). It counts only if one ID was asked for:
// otherwise the others would count as absent, too.
func notFound(err error) bool {
	api, is := errors.AsType[smithy.APIError](err)
	return is && api.ErrorCode() == "InvalidFlowLogId.NotFound"
}
