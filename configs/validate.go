package configs

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var (
	accountID  = regexp.MustCompile(`^\d{12}$`)
	regionName = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-\d{1,2}$`) // shape only: AWS adds Regions
	sinkName   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
)

// validate checks what the types can't say.
func (l *loader) validate(c Config, needQueue bool) {
	l.checkQueue(c, needQueue)
	l.checkInventory(c.Inventory)
	l.checkAccounts(c.Accounts)
	l.checkRemediate(c)
	l.checkSchedule("rehearsal.schedule", c.Rehearsal.Schedule, true)
	names := map[string]bool{"log": true}
	for n, s := range c.Alerts {
		l.checkSink(fmt.Sprintf("alerts[%d]", n), s, names)
	}
	if c.State.Path == "" {
		l.problem("state.path", "", "write the path of the state file")
	}
	if c.State.Backup != "" {
		l.problem("state.backup", c.State.Backup, "this version makes no backups yet: leave it empty, and copy the output of `flowkeeper inventory export`")
	}
	if c.HTTP.Listen != "" {
		if _, port, err := net.SplitHostPort(c.HTTP.Listen); err != nil || !isInt(port) {
			l.problem("http.listen", c.HTTP.Listen, "write an address and a port, such as 127.0.0.1:9469, or \"\" for none")
		}
	}
	l.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", c.Log.Format, "auto", "text", "json", "journal")
	if c.AWS.Region != "" && !regionName.MatchString(c.AWS.Region) {
		l.problem("aws.region", c.AWS.Region, "write a Region such as eu-west-1")
	}
	if e := c.AWS.EndpointURL; e != "" && !isURL(e) {
		l.problem("aws.endpoint_url", e, "write a URL such as http://127.0.0.1:4566")
	}
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		l.problem(key, value, "write one of %s", strings.Join(allowed, ", "))
	}
}

func (l *loader) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		l.problem(key, d.String(), "write a duration from %s to %s", least, most)
	}
}

func (l *loader) checkQueue(c Config, need bool) {
	switch _, err := c.Queue.Parse(); {
	case c.Queue.URL == "" && need:
		l.problem("queue.url", "", "is required: write the URL or the ARN of the SQS queue")
	case c.Queue.URL != "" && err != nil:
		l.problem("queue.url", c.Queue.URL, "%s", err)
	}
	l.between("queue.wait_time", c.Queue.WaitTime, time.Second, 20*time.Second)
	if c.Queue.WaitTime%time.Second != 0 {
		l.problem("queue.wait_time", c.Queue.WaitTime.String(), "SQS counts whole seconds")
	}
	l.between("queue.visibility_timeout", c.Queue.VisibilityTimeout, time.Second, 12*time.Hour)
	if c.Queue.VisibilityTimeout%time.Second != 0 {
		l.problem("queue.visibility_timeout", c.Queue.VisibilityTimeout.String(), "SQS counts whole seconds")
	}
}

const ages = 100 * 365 * 24 * time.Hour // no upper bound worth naming

func (l *loader) checkInventory(i Inventory) {
	l.checkSchedule("inventory.schedule", i.Schedule, false)
	for n, r := range i.Regions {
		key := fmt.Sprintf("inventory.regions[%d]", n)
		switch {
		case r == "all" && len(i.Regions) > 1:
			l.problem(key, r, "all stands alone: write [all], or the names")
		case r != "all" && !regionName.MatchString(r):
			l.problem(key, r, "write a Region such as eu-west-1, or [all]")
		case slices.Index(i.Regions, r) != n:
			l.problem(key, r, "is there twice: keep one")
		}
	}
	for n, d := range i.Destinations {
		if !strings.HasPrefix(d, "arn:") && d != "*" {
			l.problem(fmt.Sprintf("inventory.destinations[%d]", n), d, "write an ARN; * stands for any text: arn:aws:s3:::flow-logs*")
		}
	}
	l.between("inventory.settle", i.Settle, 0, time.Hour)
	l.between("inventory.retention", i.Retention, 360*time.Hour, ages)
}

// checkSchedule guards against what the cron library takes but never runs.
func (l *loader) checkSchedule(key, s string, mayBeEmpty bool) {
	if s == "" {
		if !mayBeEmpty {
			l.problem(key, "", "write a cron expression such as \"*/5 * * * *\", or \"@every 5m\"")
		}
		return
	}
	if every, ok := strings.CutPrefix(s, "@every "); ok {
		if d, err := time.ParseDuration(every); err != nil || d < time.Second {
			l.problem(key, s, "write @every and a duration of at least 1s")
		}
		return
	}
	schedule, err := parseCron(s)
	switch {
	case err != nil:
		l.problem(key, s, "not a cron expression: write minute hour day month weekday such as \"*/5 * * * *\", or \"@every 5m\"")
	case schedule.Next(time.Now()).IsZero():
		l.problem(key, s, "never comes: there is no such day")
	}
}

// parseCron turns the library's panics into errors.
func parseCron(s string) (schedule cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return cron.ParseStandard(s)
}

func (l *loader) checkAccounts(accounts []Account) {
	seen := map[string]bool{}
	for n, a := range accounts {
		key := fmt.Sprintf("accounts[%d]", n)
		if !accountID.MatchString(a.ID) {
			l.problem(key+".id", a.ID, "write the account's twelve digits in quotes")
		} else if seen[a.ID] {
			l.problem(key+".id", a.ID, "is there twice: keep one")
		}
		seen[a.ID] = true
		if a.RoleARN == "" {
			if a.ExternalID != "" {
				l.problem(key+".external_id", a.ExternalID, "needs role_arn: it is sent when the role is assumed")
			}
			continue
		}
		part, err := arn(a.RoleARN)
		switch {
		case err != nil || part.service != "iam" || !strings.HasPrefix(part.resource, "role/"):
			l.problem(key+".role_arn", a.RoleARN, "write a role's ARN such as arn:aws:iam::%s:role/flowkeeper", orExample(a.ID))
		case part.account != a.ID && accountID.MatchString(a.ID):
			l.problem(key+".role_arn", a.RoleARN, "is a role of account %s, not of %s", part.account, a.ID)
		}
	}
}

func orExample(id string) string {
	if accountID.MatchString(id) {
		return id
	}
	return "111122223333"
}

func (l *loader) checkRemediate(c Config) {
	r := c.Remediate
	l.oneOf("remediate.mode", r.Mode, "restore", "alert")
	l.oneOf("remediate.on_drift", r.OnDrift, "restore", "alert")
	l.between("remediate.drift_wait", r.DriftWait, 0, 24*time.Hour)
	l.between("remediate.verify_after", r.VerifyAfter, 0, 24*time.Hour)
	l.between("remediate.restore_interval", r.RestoreInterval, time.Second, 24*time.Hour)
	if r.MaxRestores < 1 {
		l.problem("remediate.max_restores", strconv.Itoa(r.MaxRestores), "write 1 or more; to restore nothing, set remediate.mode: alert")
	}
	for n, rule := range r.Rules {
		l.checkRule(fmt.Sprintf("remediate.rules[%d]", n), rule, c.Accounts)
	}
}

func (l *loader) checkRule(key string, r Rule, accounts []Account) {
	part, err := arn(r.Principal)
	switch {
	case err != nil || part.service != "iam" && part.service != "sts":
		l.problem(key+".principal", r.Principal, "write the ARN of a role or user, such as arn:aws:iam::111122223333:role/terraform-*")
	case !accountID.MatchString(part.account):
		l.problem(key+".principal", r.Principal, "write the account's twelve digits: * never stands for an account")
	case len(accounts) > 0 && !slices.ContainsFunc(accounts, func(a Account) bool { return a.ID == part.account }):
		l.problem(key+".principal", r.Principal, "account %s is not one of accounts: nobody else may loosen anything", part.account)
	}
	l.oneOf(key+".action", r.Action, "restore", "wait", "alert", "ignore")
	switch {
	case r.Action == "wait":
		l.between(key+".wait", r.Wait, time.Second, 24*time.Hour)
	case r.Wait != 0:
		l.problem(key+".wait", r.Wait.String(), "goes with action: wait only")
	}
}

func (l *loader) checkSink(key string, s Sink, names map[string]bool) {
	switch {
	case !sinkName.MatchString(s.Name):
		l.problem(key+".name", s.Name, "write a name of letters, digits, - and _")
	case names[s.Name]:
		l.problem(key+".name", s.Name, "another sink has this name (log is always there)")
	}
	names[s.Name] = true
	if s.MinLevel != "" {
		l.oneOf(key+".min_level", s.MinLevel, "informational", "low", "medium", "high", "critical")
	}
	used := map[string]bool{}
	switch s.Type {
	case "webhook":
		used["url"], used["secret"] = true, true
		if !isURL(s.URL) {
			l.problem(key+".url", "", "write the receiver's URL, https://…, or give url_file")
		}
		if s.Secret != "" && !goodSecret(s.Secret) {
			l.problem(key+".secret", "", "write whsec_ and the base64 of 24 bytes or more: echo whsec_$(openssl rand -base64 32)")
		}
	case "sns":
		used["topic_arn"] = true
		if part, err := arn(s.TopicARN); err != nil || part.service != "sns" || part.region == "" {
			l.problem(key+".topic_arn", s.TopicARN, "write the topic's ARN, such as arn:aws:sns:eu-west-1:111122223333:alerts")
		}
	case "slack", "pagerduty":
		l.problem(key+".type", s.Type, "this version has no such sink yet: use webhook or sns")
		return
	default:
		l.problem(key+".type", s.Type, "write one of webhook, sns")
		return
	}
	for k, set := range map[string]bool{"url": s.URL != "", "secret": s.Secret != "", "topic_arn": s.TopicARN != "", "routing_key": s.RoutingKey != ""} {
		if set && !used[k] {
			l.problem(key+"."+k, "", "has no use in a sink of type %s: remove it", s.Type)
		}
	}
}

func goodSecret(s string) bool {
	raw, ok := strings.CutPrefix(s, "whsec_")
	b, err := base64.StdEncoding.DecodeString(raw)
	return ok && err == nil && len(b) >= 24
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// arnParts is an ARN taken apart.
type arnParts struct{ partition, service, region, account, resource string }

func arn(s string) (arnParts, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return arnParts{}, fmt.Errorf("%q is not an ARN", s)
	}
	return arnParts{p[1], p[2], p[3], p[4], p[5]}, nil
}

// warnings of a configuration that is fine.
func (c Config) warnings() []Warning {
	var out []Warning
	for n, s := range c.Alerts {
		if s.Type == "webhook" && strings.HasPrefix(s.URL, "http://") {
			out = append(out, warning("alerts[%d].url is plain http: whoever sits between can read the alerts", n))
		}
		if s.Type == "webhook" && s.Secret == "" {
			out = append(out, warning("alerts[%d] has no secret: its receiver can't tell our alerts from others", n))
		}
	}
	for n, r := range c.Remediate.Rules {
		if r.Action == "ignore" {
			out = append(out, warning("remediate.rules[%d]: ignore lets %s delete flow logs for good, and a record's principal is only a claim; see that the queue's policy lets nobody but the rule send", n, r.Principal))
		}
	}
	return out
}

func warning(format string, args ...any) Warning { return Warning(fmt.Sprintf(format, args...)) }
