// Package organization finds the accounts of an AWS organisation, and says which
// of them joined or departed since they were last listed.
//
//  1. Client calls AWS Organizations as the configuration says.
//  2. List asks for all accounts and for the tree of organisational units (OUs),
//     and selects the accounts to protect (list.go, tree.go). ListQuickly leaves out
//     a tree that is only shown.
//  3. Compare is a pure function of the stored accounts and a listing: what joined,
//     what departed and why, what is back (member.go). Package store calls it in a
//     transaction.
//
// It makes one call at a time, because Organizations throttles the whole organisation. Only
// ListQuickly, for which a start waits, makes up to four calls for OUs at the same time. No goroutine
// outlives the call that starts it.
//
// It never returns a part of the accounts: what is missing in a listing counts as
// departed, so an incomplete listing is an error.
package organization
