package organization

import "slices"

// Account is an account of the organisation. Its texts are cleaned (alert.Clean).
type Account struct {
	ID   string
	Name string
	// Path is the names of the root and the OUs above it, as Root/Workloads/Prod; empty: not
	// known.
	Path  string
	State State
	// Management: it is the management account, where service-managed StackSets deploy nothing.
	Management bool
	// Selected: organization.include and organization.exclude choose it.
	Selected bool
}

// Protected reports whether Flowkeeper is to act in the account.
func (a Account) Protected() bool { return a.Selected && a.State.Active() }

// State of an account, as AWS names it: Account.State, or Account.Status, which is older.
type State string

// Active is the state of an account that can be used.
const Active State = "ACTIVE"

// inactive are the documented states in which an account can't be used.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html
var inactive = []State{"PENDING_ACTIVATION", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"}

// Active reports whether the account can be used. A state that AWS has not documented counts
// as active: a new word is no reason to stop protecting an account.
func (s State) Active() bool { return !slices.Contains(inactive, s) }
