package doctor

import (
	"fmt"
	"regexp"
	"strings"

	"flowkeeper/alert"
	"flowkeeper/internal/queuepolicy"
	"flowkeeper/inventory"
)

// Status of a check: that of a policy, or one of those below.
type Status = queuepolicy.Status

const (
	OK      = queuepolicy.OK
	Warn    = queuepolicy.Warn
	Fail    = queuepolicy.Fail
	Unknown = queuepolicy.Unknown // can't tell; no failure

	Skipped Status = "skipped" // not made: what it needs failed

	noted Status = "noted" // of a finding: OK, but people should read the detail even if other places are OK too
)

// Result of one check in one place.
type Result struct {
	Check   string `json:"check"`
	Title   string `json:"title"`
	Account string `json:"account,omitempty"`
	// AccountName is empty if it is not known.
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region,omitempty"`
	Status      Status `json:"status"`
	Detail      string `json:"detail,omitempty"`
	Fix         string `json:"fix,omitempty"` // to paste, or to do
	See         string `json:"see,omitempty"`

	noted bool // Detail is worth reading, although all is well
}

// finding is a result without its place.
type finding struct {
	status      Status
	detail, fix string
}

const maxText = 1 << 16 // characters: a whole policy, or an encoded message of AWS

// at is the finding as a result of a check in a scope.
func (f finding) at(c Check, s inventory.Scope) Result {
	r := Result{Check: c.ID, Title: c.Title, Account: s.Account, Region: s.Region, Status: f.status,
		Detail: alert.Clean(f.detail, maxText), Fix: alert.Clean(f.fix, maxText)} // names in them come from AWS (I12)
	if f.status == noted {
		r.Status, r.noted = OK, true
	}
	if r.Status != OK && r.Status != Skipped {
		r.See = See(c.ID)
	}
	return r
}

// WrongConfiguration is the result if the configuration can't be read: no check can be made then.
func WrongConfiguration(err error) Result {
	c := checks[0]
	return Result{Check: c.ID, Title: c.Title, Status: Fail, Detail: err.Error(), See: See(c.ID)}
}

// See is where people read more of a check.
func See(check string) string { return "docs/troubleshoot.md#" + check }

func skipped(why string) finding { return finding{status: Skipped, detail: why} }

func fine(format string, args ...any) finding {
	return finding{status: OK, detail: fmt.Sprintf(format, args...)}
}

// failIf returns Fail if bad is true, else Warn.
func failIf(bad bool) Status {
	if bad {
		return Fail
	}
	return Warn
}

// plural returns a number of things with a verb: 1 flow log is, 2 flow logs are. Without a verb, alert.Plural does it.
func plural(n int, single, several string) string {
	if n == 1 {
		return "1 " + single
	}
	return fmt.Sprintf("%d %s", n, several)
}

// shellWord quotes s as one word of a shell command. Names come from AWS, and people paste the
// commands (I12).
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)
