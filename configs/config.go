package configs

import "time"

// Config is the whole configuration. Load returns it complete: defaults
// filled, environment merged, secrets read, every value valid.
type Config struct {
	Queue        Queue        `mapstructure:"queue"`
	Inventory    Inventory    `mapstructure:"inventory"`
	Organization Organization `mapstructure:"organization"`
	Accounts     []Account    `mapstructure:"accounts"`
	LogFiles     LogFiles     `mapstructure:"log_files"`
	Remediate    Remediate    `mapstructure:"remediate"`
	Rehearsal    Rehearsal    `mapstructure:"rehearsal"`
	Alerts       []Sink       `mapstructure:"alerts"`
	State        State        `mapstructure:"state"`
	HTTP         HTTP         `mapstructure:"http"`
	Heartbeat    Heartbeat    `mapstructure:"heartbeat"`
	Log          Log          `mapstructure:"log"`
	AWS          AWS          `mapstructure:"aws"`
}

// Queue is the SQS queue that brings CloudTrail records.
type Queue struct {
	URL               string        `mapstructure:"url"` // URL or ARN
	WaitTime          time.Duration `mapstructure:"wait_time"`
	VisibilityTimeout time.Duration `mapstructure:"visibility_timeout"`
}

// Inventory is how the snapshot is kept.
type Inventory struct {
	Schedule      string        `mapstructure:"schedule"`
	MaxConcurrent int           `mapstructure:"max_concurrent"` // scopes refreshed at the same time
	AlertRefresh  time.Duration `mapstructure:"alert_refresh"`  // 0: never
	Regions       []string      `mapstructure:"regions"`
	Destinations  []string      `mapstructure:"destinations"`
	DependsOn     []string      `mapstructure:"depends_on"` // patterns of ARNs
	Settle        time.Duration `mapstructure:"settle"`
	Retention     time.Duration `mapstructure:"retention"`
}

// Organization is which accounts of an organisation to protect, and the role that acts there.
type Organization struct {
	RoleName    string   `mapstructure:"role_name"` // with its path; empty: the organisation is not asked
	ExternalID  string   `mapstructure:"external_id"`
	ListRoleARN string   `mapstructure:"list_role_arn"` // role that may list the accounts; empty: Flowkeeper's own credentials may
	Include     []string `mapstructure:"include"`       // IDs of OUs, roots and accounts; empty: all
	Exclude     []string `mapstructure:"exclude"`       // wins over Include
	Schedule    string   `mapstructure:"schedule"`
}

// Account is one AWS account to protect, and the role that acts there. If the organisation has the
// account too, what is set here overrides what is discovered.
type Account struct {
	ID         string   `mapstructure:"id"`
	Name       string   `mapstructure:"name"` // for people; empty: none
	RoleARN    string   `mapstructure:"role_arn"`
	ExternalID string   `mapstructure:"external_id"`
	Regions    []string `mapstructure:"regions"` // as Inventory.Regions; empty: Inventory.Regions holds
}

// LogFiles is which log files of CloudTrail to read, of those that messages announce.
type LogFiles struct {
	Buckets  []LogBucket `mapstructure:"buckets"`
	MaxBytes Size        `mapstructure:"max_bytes"` // of one file, decompressed
}

// LogBucket is an S3 bucket with log files.
type LogBucket struct {
	Name       string `mapstructure:"name"`
	Owner      string `mapstructure:"owner"`  // account
	Prefix     string `mapstructure:"prefix"` // of keys to read; empty: all
	RoleARN    string `mapstructure:"role_arn"`
	ExternalID string `mapstructure:"external_id"`
}

// Remediate is what happens after a deletion.
type Remediate struct {
	Mode            string        `mapstructure:"mode"`     // restore | alert
	OnDrift         string        `mapstructure:"on_drift"` // restore | alert
	DriftWait       time.Duration `mapstructure:"drift_wait"`
	VerifyAfter     time.Duration `mapstructure:"verify_after"`
	MaxRestores     int           `mapstructure:"max_restores"`
	RestoreInterval time.Duration `mapstructure:"restore_interval"`
	TokenKey        string        `mapstructure:"token_key"`      // secret; empty: each state file has its own
	TokenKeyFile    string        `mapstructure:"token_key_file"` // to read it from instead; empty once Load has read it
	Rules           []Rule        `mapstructure:"rules"`
}

// Rule says what to do about the deletions of some principals.
type Rule struct {
	Principal string        `mapstructure:"principal"`
	Action    string        `mapstructure:"action"` // restore | wait | alert | ignore
	Wait      time.Duration `mapstructure:"wait"`
}

// Rehearsal is when restores are tried as dry runs.
type Rehearsal struct {
	Schedule   string   `mapstructure:"schedule"`
	Principals []string `mapstructure:"principals"` // ARNs of other Flowkeepers' roles and users
}

// Sink is one place that alerts go to.
type Sink struct {
	Type       string        `mapstructure:"type"` // webhook | sns | slack | pagerduty
	Name       string        `mapstructure:"name"`
	MinLevel   string        `mapstructure:"min_level"`
	Kinds      []string      `mapstructure:"kinds"`   // of alerts; empty: all, for pagerduty all but restored
	Timeout    time.Duration `mapstructure:"timeout"` // of one try
	URL        string        `mapstructure:"url"`     // webhook, slack: secret; pagerduty: scheme and host, empty for the usual one
	Secret     string        `mapstructure:"secret"`  // webhook: whsec_ + base64 of at least 24 bytes
	TopicARN   string        `mapstructure:"topic_arn"`
	RoutingKey string        `mapstructure:"routing_key"` // pagerduty: 32 letters and digits; secret

	// Files to read a secret from instead; empty once Load has read them.
	URLFile        string `mapstructure:"url_file"`
	SecretFile     string `mapstructure:"secret_file"`
	RoutingKeyFile string `mapstructure:"routing_key_file"`
}

// State is the state file, and where copies of it go.
type State struct {
	Path   string `mapstructure:"path"`
	Backup string `mapstructure:"backup"` // s3://bucket/prefix
}

// HTTP is the listener for metrics and health.
type HTTP struct {
	Listen string `mapstructure:"listen"`
}

// Heartbeat sends requests to an outside monitor while the daemon is well.
type Heartbeat struct {
	URL     string        `mapstructure:"url"` // secret: anybody who knows it can send heartbeats in our place
	URLFile string        `mapstructure:"url_file"`
	Every   time.Duration `mapstructure:"every"`
}

// Log is the level and format of the daemon's log.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

// AWS is how AWS is reached.
type AWS struct {
	Region      string `mapstructure:"region"`
	EndpointURL string `mapstructure:"endpoint_url"`
}
