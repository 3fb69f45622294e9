// Package inventory describes flow logs, says when two of them are equivalent, and
// refreshes the snapshot: the rows of all flow logs that AWS has shown.
//
// A refresh of one scope takes this way:
//
//  1. DescribeFlowLogs lists the scope, 1,000 flow logs a page.
//  2. Each page is compared with the snapshot; new and changed flow logs are
//     passed on to be written.
//  3. Only after the last page, AWS is asked once more, by ID, for the flow logs
//     that the snapshot has and the listing lacks.
//  4. Flow logs that AWS does not show by ID either are passed on as lost (drift).
//  5. The refresh is recorded as complete.
//
// The package owns no goroutine: its caller decides what runs at the same time.
//
// The package never counts a flow log as deleted after an incomplete listing, or because
// a listing alone lacks it, and never makes a gone row live again (I5). It has no
// database, and makes no call that changes anything in AWS.
package inventory
