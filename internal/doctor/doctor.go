package doctor

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/scopes"
)

// Status of a check.
type Status string

const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown" // can't tell; no failure
	Skipped Status = "skipped" // not made: what it needs failed
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

// Doctor is what to check. Its methods may be called one after the other.
type Doctor struct {
	Config   configs.Config
	File     string            // of the configuration; empty: it came from the environment
	Warnings []configs.Warning // of reading it
	AWS      aws.Config        // the daemon's own credentials
	Accounts []scopes.Account  // empty: the account of these credentials
	Routes   sink.Routes
	Now      func() time.Time
}
