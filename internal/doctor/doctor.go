// Package doctor finds out why Flowkeeper would not hear of a deletion, not
// undo it, or tell nobody. It asks AWS and this machine, in the order in which
// an event travels, and changes nothing: what it can't ask it says so, with
// the permission that is missing.
package doctor

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/scopes"
	"flowkeeper/inventory"
)

// Status of a check.
type Status string

const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown" // can't tell; no failure
	Skipped Status = "skipped" // what it stands on failed
)

// The checks, by the names that docs/troubleshoot.md has an anchor for each of.
const (
	Configuration  = "configuration"
	StateFile      = "state-file"
	DiskSpace      = "disk-space"
	Credentials    = "credentials"
	Clock          = "clock"
	Trail          = "trail"
	EventRule      = "event-rule"
	EventPattern   = "event-pattern"
	Queue          = "queue"
	QueuePolicy    = "queue-policy"
	QueueKey       = "queue-key"
	QueueRetention = "queue-retention"
	QueueRedrive   = "queue-redrive"
	QueueBacklog   = "queue-backlog"
	RoundTrip      = "round-trip"
	Describe       = "describe"
	Create         = "create"
	Tag            = "tag"
	PassRole       = "pass-role"
	LogDelivery    = "log-delivery"
	NeverDelete    = "never-delete"
	AlertSinks     = "alert-sinks"
	Daemon         = "daemon"
	Refresh        = "refresh"
	Restorable     = "restorable"
)

// Check is one thing that is looked at.
type Check struct{ ID, Title string }

// Checks are all there are, in their order.
func Checks() (out []Check) {
	for _, c := range checks() {
		out = append(out, c.Check)
	}
	return out
}

// Result of one check in one place.
type Result struct {
	Check   string `json:"check"`
	Title   string `json:"title"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Status  Status `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Fix     string `json:"fix,omitempty"` // to paste, or to do
	See     string `json:"see,omitempty"`
}

// Doctor is what there is to look at.
type Doctor struct {
	Config   configs.Config
	File     string // of the configuration; empty: none
	Warnings []configs.Warning
	AWS      aws.Config
	Accounts []scopes.Account
	Routes   alert.Routes
	Now      func() time.Time
}

// finding is a result without its place.
type finding struct {
	status      Status
	detail, fix string
}

const maxText = 1 << 16 // characters: a whole policy, or an encoded message of AWS

func (f finding) at(c Check, s inventory.Scope) Result {
	r := Result{Check: c.ID, Title: c.Title, Account: s.Account, Region: s.Region, Status: f.status,
		Detail: alert.Clean(f.detail, maxText), Fix: alert.Clean(f.fix, maxText)} // names in them come from AWS (I12)
	if f.status != OK && f.status != Skipped {
		r.See = See(c.ID)
	}
	return r
}

// See is where people read more of a check.
func See(check string) string { return "docs/troubleshoot.md#" + check }
