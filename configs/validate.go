package configs

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"flowkeeper/internal/nearest"
)

var (
	accountID  = regexp.MustCompile(`^\d{12}$`)
	backupURL  = regexp.MustCompile(`^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?$`)
	regionName = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-\d{1,2}$`) // shape only: AWS adds Regions
	partition  = regexp.MustCompile(`^aws(-[a-z]+)*$`)

	roleName       = regexp.MustCompile(`^role/[\w+=,.@/-]+$`)
	callerName     = regexp.MustCompile(`^(role|user)/[\w+=,.@/-]+$`)
	principalName  = regexp.MustCompile(`^(\*|root|(role|user)/[\w+=,.@/*-]+)$`)
	sessionOfRole  = regexp.MustCompile(`^assumed-role/[^/]`)
	logGroupAndAll = regexp.MustCompile(`^log-group:[^:]*:\*$`)
	externalID     = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// checks reports wrong values as problems. Each method is named for the part of the
// configuration that it checks.
type checks struct {
	*report
	home string // of the user; empty: not known
}

func (check checks) all(c Config, needQueue bool) {
	check.queue(c, needQueue)
	check.inventory(c.Inventory)
	check.organization(c)
	check.accounts(c.Accounts, c.Organization.RoleName != "")
	check.logFiles(c.LogFiles)
	check.remediate(c)
	if c.Rehearsal.Schedule != "" {
		check.schedule("rehearsal.schedule", c.Rehearsal.Schedule)
	}
	for n, p := range c.Rehearsal.Principals {
		_, ok := iamARN(p, callerName)
		check.require(ok, fmt.Sprintf("rehearsal.principals[%d]", n), p, "write the ARN of a role or a user, without *: whoever it fits can put off the alert that events do not come")
	}
	names := map[string]bool{"log": true}
	for n, s := range c.Alerts {
		check.sink(fmt.Sprintf("alerts[%d]", n), s, names)
	}
	path := c.State.Path
	check.require(path != "" && !strings.HasSuffix(path, "/") && path != ":memory:", "state.path", path, "write the path of the state file, such as %s", Default().State.Path)
	fix := PathFix(path, check.home)
	check.require(fix == "", "state.path", path, "%s", fix)
	backup, listen, ping, endpoint := c.State.Backup, c.HTTP.Listen, c.Heartbeat.URL, c.AWS.EndpointURL
	check.require(backup == "" || backupURL.MatchString(backup), "state.backup", backup, "write s3://bucket/prefix, or leave it empty")
	check.require(listen == "" || isListenAddress(listen), "http.listen", listen, "write an address and a port, such as 127.0.0.1:9469, or \"\" for none")
	check.require(ping == "" || isURL(ping), "heartbeat.url", ping, "write the URL that your monitor gave you, https://…, or \"\" for none")
	check.between("heartbeat.every", c.Heartbeat.Every, time.Second, 24*time.Hour)
	check.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	check.oneOf("log.format", c.Log.Format, "auto", "text", "json", "journal")
	check.require(c.AWS.Region == "" || regionName.MatchString(c.AWS.Region), "aws.region", c.AWS.Region, "write a Region such as %s", likelyRegion(c.AWS.Region))
	check.require(endpoint == "" || isURL(endpoint) && !strings.ContainsAny(endpoint, "@?#"), "aws.endpoint_url", endpoint, "write a URL such as http://127.0.0.1:4566")
}

// twice is the problem of a value that its list has already.
const twice = "is there twice: keep one"

// require adds a problem of a key's value if right is false. Of several problems of a value, only the first is added.
func (r *report) require(right bool, key, value, format string, args ...any) {
	if !right {
		r.problem(key, value, format, args...)
	}
}

const minTokenKey = 32 // characters

func (check checks) remediate(c Config) {
	r := c.Remediate
	check.oneOf("remediate.mode", r.Mode, "restore", "alert")
	check.oneOf("remediate.on_drift", r.OnDrift, "restore", "alert")
	check.between("remediate.drift_wait", r.DriftWait, 0, 24*time.Hour)
	check.between("remediate.verify_after", r.VerifyAfter, 0, 24*time.Hour)
	check.between("remediate.restore_interval", r.RestoreInterval, time.Second, 24*time.Hour)
	check.require(r.MaxRestores >= 1, "remediate.max_restores", strconv.Itoa(r.MaxRestores), "write 1 or more; to restore nothing, set remediate.mode: alert")
	check.require(r.TokenKey == "" || len(r.TokenKey) >= minTokenKey, "remediate.token_key", r.TokenKey, "has fewer than %d characters: make one with `openssl rand -hex 32`", minTokenKey)
	for n, rule := range r.Rules {
		key := fmt.Sprintf("remediate.rules[%d]", n)
		check.rule(key, rule, c.Accounts, c.Organization.RoleName != "")
		first := slices.IndexFunc(r.Rules, func(x Rule) bool { return x.Principal == rule.Principal })
		check.require(first == n, key+".principal", rule.Principal, "rules[%d] has it already, and the first that fits counts: keep one", first)
	}
}

func (r *report) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		hint := ""
		if near := nearest.Word(value, allowed); near != "" && value != "" {
			hint = "did you mean " + near + "? "
		}
		r.problem(key, value, "%swrite one of %s", hint, strings.Join(allowed, ", "))
	}
}

func (r *report) between(key string, d, least, most time.Duration) {
	r.require(d >= least && d <= most, key, Tidy(d), "write a duration from %s to %s", Tidy(least), Tidy(most))
}

// Tidy formats a duration without zero minutes and seconds: 360h, not 360h0m0s.
func Tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

const hundredYears = 100 * 365 * 24 * time.Hour // in practice no upper bound

func isURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return false
	}
	ofHTTP := u.Scheme == "http" || u.Scheme == "https"
	return ofHTTP && (u.Port() == "" || isPort(u.Port()))
}

func isListenAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && isPort(port) && !strings.ContainsAny(host, "*/ ")
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// parseARN parses an ARN, or a pattern of ARNs in which * stands for any text. Region and
// account may be empty or of any form: the callers check them.
func parseARN(s string) (arn.ARN, error) {
	a, err := arn.Parse(s)
	if err != nil || !partition.MatchString(a.Partition) || a.Service == "" || a.Resource == "" {
		return arn.ARN{}, fmt.Errorf("%q is not an ARN", s)
	}
	return a, nil
}

// inRegion reports whether an ARN is of this service, in one account and Region, and its resource of this form.
func inRegion(a arn.ARN, service string, resource *regexp.Regexp) bool {
	return a.Service == service && regionName.MatchString(a.Region) && accountID.MatchString(a.AccountID) && resource.MatchString(a.Resource)
}

// iamARN parses the ARN of an IAM identity in one account. ok is false if the text is something
// else, or if its resource (role/NAME, user/NAME) does not match the form.
func iamARN(s string, resource *regexp.Regexp) (a arn.ARN, ok bool) {
	a, err := parseARN(s)
	return a, err == nil && a.Service == "iam" && a.Region == "" && accountID.MatchString(a.AccountID) && resource.MatchString(a.Resource)
}
