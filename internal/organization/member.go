package organization

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"time"

	"flowkeeper/alert"
)

// Member is an account that is protected, or once was: the stored list has a row for each.
// Its Selected is false once it departed.
type Member struct {
	Account
	FirstAt time.Time // since when it is protected
	LeftAt  time.Time // since when it is not any more; zero: it is
	Why     Departure // empty: it is protected
}

// Departed reports whether the account is not protected any more.
func (m Member) Departed() bool { return m.Why != "" }

// Departure is why an account is not protected any more.
type Departure string

// The reasons.
const (
	Left       Departure = "left"       // it is not in the organisation any more
	Inactive   Departure = "inactive"   // its State says that it can't be used: suspended, or being closed
	Deselected Departure = "deselected" // organization.include and exclude do not choose it any more
)

// Text says why in a few words. state is the account's.
func (d Departure) Text(state State) string {
	switch d {
	case Left:
		return "it is not in the organisation any more"
	case Inactive:
		return "its state is " + string(state)
	case Deselected:
		return "organization.include and exclude do not select it any more"
	}
	return "it is protected"
}

// Changes are what a listing changes of the stored list, each by number.
type Changes struct {
	Joined   []Member // new
	Departed []Member
	Back     []Member // departed before
	// Changed are all rows to store: those above, and those with another name, path or state.
	Changed []Member
}

// Compare compares the stored list with a listing, which must be complete.
func Compare(stored []Member, l Listing, now time.Time) (c Changes) {
	known := map[string]Member{}
	for _, m := range stored {
		known[m.ID] = m
	}
	for _, a := range l.Accounts {
		before, is := known[a.ID]
		delete(known, a.ID)
		if is && l.NoPaths != nil {
			a.Path = before.Path
		}
		after := Member{Account: a, FirstAt: before.FirstAt, LeftAt: before.LeftAt}
		after.Selected = a.Protected()
		switch {
		case a.Protected():
			after.LeftAt = time.Time{}
		case !is:
			continue
		case !a.State.Active():
			after.Why = Inactive
		default:
			after.Why = Deselected
		}
		switch {
		case !is:
			after.FirstAt = now
			c.Joined = append(c.Joined, after)
		case !before.Departed() && after.Departed():
			after.LeftAt = now
			c.Departed = append(c.Departed, after)
		case before.Departed() && !after.Departed():
			c.Back = append(c.Back, after)
		}
		if after != before {
			c.Changed = append(c.Changed, after)
		}
	}
	for _, m := range stored {
		if _, missing := known[m.ID]; !missing || m.Why == Left {
			continue
		}
		gone := m
		gone.Why, gone.Selected = Left, false
		if !m.Departed() {
			gone.LeftAt = now
			c.Departed = append(c.Departed, gone)
		}
		c.Changed = append(c.Changed, gone)
	}
	return c
}

// Merge is the stored list with the changes of a listing, by number.
func Merge(stored []Member, c Changes) []Member {
	all := map[string]Member{}
	for _, m := range slices.Concat(stored, c.Changed) {
		all[m.ID] = m
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
}

var number = regexp.MustCompile(`^[0-9]{12}$`)

// MemberFromCopy returns a row of a copied state file as it counts after the copy is adopted.
// Whoever wrote the copy must not be able to end the protection of an account: every account
// is protected until the next listing. ok is false if the row is no account.
func MemberFromCopy(m Member) (_ Member, ok bool) {
	m.Name, m.Path = alert.Clean(m.Name, maxName), alert.Clean(m.Path, maxDepth*maxName)
	m.State, m.Selected, m.LeftAt, m.Why = Active, true, time.Time{}, ""
	return m, number.MatchString(m.ID)
}

// Protected are the members that are protected.
func Protected(stored []Member) []Member {
	return slices.DeleteFunc(slices.Clone(stored), Member.Departed)
}

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
