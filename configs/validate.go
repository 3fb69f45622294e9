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

// validator checks a configuration that was read: what the types can't say.
type validator struct{ *loader }

// validate notes everything that is wrong.
func (v validator) validate(c Config, needQueue bool) {
	v.checkQueue(c, needQueue)
	v.checkInventory(c.Inventory)
	v.checkAccounts(c.Accounts)
	v.checkRemediate(c)
	v.checkSchedule("rehearsal.schedule", c.Rehearsal.Schedule, true)
	for n, p := range c.Rehearsal.Principals {
		if _, ok := iamARN(p, callerName); !ok {
			v.problem(fmt.Sprintf("rehearsal.principals[%d]", n), p, "write the ARN of a role or a user, without *: whoever it fits can put off the alert that events do not come")
		}
	}
	names := map[string]bool{"log": true}
	for n, s := range c.Alerts {
		v.checkSink(fmt.Sprintf("alerts[%d]", n), s, names)
	}
	if p := c.State.Path; p == "" || strings.HasSuffix(p, "/") || p == ":memory:" {
		v.problem("state.path", p, "write the path of the state file, such as %s", Default().State.Path)
	} else if fix := v.pathFix(p); fix != "" {
		v.problem("state.path", p, "%s", fix)
	}
	if b := c.State.Backup; b != "" && !backupURL.MatchString(b) {
		v.problem("state.backup", b, "write s3://bucket/prefix, or leave it empty")
	}
	if c.HTTP.Listen != "" {
		host, port, err := net.SplitHostPort(c.HTTP.Listen)
		if err != nil || !isPort(port) || strings.ContainsAny(host, "*/ ") {
			v.problem("http.listen", c.HTTP.Listen, "write an address and a port, such as 127.0.0.1:9469, or \"\" for none")
		}
	}
	if h := c.Heartbeat; h.URL != "" && !isURL(h.URL) {
		v.problem("heartbeat.url", h.URL, "write the URL that your monitor gave you, https://…, or \"\" for none")
	}
	v.between("heartbeat.every", c.Heartbeat.Every, time.Second, 24*time.Hour)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "auto", "text", "json", "journal")
	if c.AWS.Region != "" && !regionName.MatchString(c.AWS.Region) {
		v.problem("aws.region", c.AWS.Region, "write a Region such as %s", orRegion(c.AWS.Region))
	}
	if e := c.AWS.EndpointURL; e != "" && (!isURL(e) || strings.ContainsAny(e, "@?#")) {
		v.problem("aws.endpoint_url", e, "write a URL such as http://127.0.0.1:4566")
	}
}

func (v validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		hint := ""
		if near := nearest.Word(value, allowed); near != "" && value != "" {
			hint = "did you mean " + near + "? "
		}
		v.problem(key, value, "%swrite one of %s", hint, strings.Join(allowed, ", "))
	}
}

func (v validator) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.problem(key, short(d), "write a duration from %s to %s", short(least), short(most))
	}
}

// short writes 360h for what time.Duration writes as 360h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (v validator) checkQueue(c Config, need bool) {
	switch _, err := c.Queue.Parse(); {
	case c.Queue.URL == "" && need:
		v.problem("queue.url", "", "is required: write the URL or the ARN of the SQS queue")
	case c.Queue.URL != "" && err != nil:
		v.problem("queue.url", c.Queue.URL, "%s", err)
	}
	v.seconds("queue.wait_time", c.Queue.WaitTime, 20*time.Second)
	v.seconds("queue.visibility_timeout", c.Queue.VisibilityTimeout, 12*time.Hour)
}

// seconds checks a duration of SQS's: one second at least.
func (v validator) seconds(key string, d, most time.Duration) {
	v.between(key, d, time.Second, most)
	if d%time.Second != 0 {
		v.problem(key, short(d), "SQS counts whole seconds: write %s", short(d.Round(time.Second)))
	}
}

const ages = 100 * 365 * 24 * time.Hour // no upper bound worth naming

func (v validator) checkInventory(i Inventory) {
	v.checkSchedule("inventory.schedule", i.Schedule, false)
	for n, r := range i.Regions {
		key := fmt.Sprintf("inventory.regions[%d]", n)
		switch {
		case r == "all" && len(i.Regions) > 1:
			v.problem(key, r, "all stands alone: write [all], or the names")
		case r != "all" && !regionName.MatchString(r):
			v.problem(key, r, "write a Region such as %s, or [all]", orRegion(r))
		case slices.Index(i.Regions, r) != n:
			v.problem(key, r, "is there twice: keep one")
		}
	}
	for n, d := range i.Destinations {
		if fix := destinationFix(d); fix != "" {
			v.problem(fmt.Sprintf("inventory.destinations[%d]", n), d, "%s", fix)
		}
	}
	for n, d := range i.DependsOn {
		key := fmt.Sprintf("inventory.depends_on[%d]", n)
		switch p, err := parseARN(d); {
		case err != nil || !slices.Contains(watched, p.Service):
			v.problem(key, d, "write an ARN of %s, or a pattern of some such as arn:aws:kms:*:111122223333:key/*", strings.Join(watched, ", "))
		case p.Service == "kms" && !strings.HasPrefix(p.Resource, "key/"):
			v.problem(key, d, "write the key's ARN, …:key/ID: no record names an alias")
		}
	}
	v.between("inventory.settle", i.Settle, 0, time.Hour)
	v.between("inventory.retention", i.Retention, 360*time.Hour, ages)
}

// watched are the services that a rule about tampering is about.
var watched = []string{"logs", "s3", "iam", "firehose", "kms", "cloudtrail", "events", "sqs"}

var zoneName = regexp.MustCompile(`^(.*-\d{1,2})[a-z]$`)

// orRegion is the Region that was probably meant by a wrong one, or an example.
func orRegion(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	if zone := zoneName.FindStringSubmatch(s); zone != nil {
		s = zone[1]
	}
	if regionName.MatchString(s) {
		return s
	}
	return "eu-west-1"
}

// destinationFix is empty for a pattern that can match: destinations are ARNs
// without a trailing ":*".
func destinationFix(d string) string {
	if bucket, ok := strings.CutPrefix(d, "s3://"); ok {
		return "write its ARN: arn:aws:s3:::" + bucket
	}
	if a, err := arn.Parse(d); err == nil && logGroupAndAll.MatchString(a.Resource) {
		return "write it without :* at the end: flow logs have it without, so this matches none"
	}
	if !strings.HasPrefix(d, "arn:") && d != "*" || strings.Contains(d, " ") {
		return "write an ARN; * stands for any text: arn:aws:s3:::flow-logs*"
	}
	return ""
}

func (v validator) checkAccounts(accounts []Account) {
	seen := map[string]bool{}
	own := -1 // the account that needs no role
	for n, a := range accounts {
		key := fmt.Sprintf("accounts[%d]", n)
		if !accountID.MatchString(a.ID) {
			v.problem(key+".id", a.ID, "write the account's twelve digits in quotes, leading zeros too, no dashes")
		} else if seen[a.ID] {
			v.problem(key+".id", a.ID, "is there twice: keep one")
		}
		seen[a.ID] = true
		if a.RoleARN == "" {
			if a.ExternalID != "" {
				v.problem(key+".external_id", a.ExternalID, "needs role_arn: it is sent when the role is assumed")
			}
			if own >= 0 {
				v.problem(key+".role_arn", "", "write a role to assume: accounts[%d] has none either, and the credentials belong to one account", own)
			}
			own = n
			continue
		}
		part, ok := iamARN(a.RoleARN, roleName)
		switch {
		case !ok:
			v.problem(key+".role_arn", a.RoleARN, "write a role's ARN such as arn:aws:iam::%s:role/flowkeeper", orExample(a.ID))
		case part.AccountID != a.ID && accountID.MatchString(a.ID):
			v.problem(key+".role_arn", a.RoleARN, "is a role of account %s, not of %s: write one of this account", part.AccountID, a.ID)
		}
		if a.ExternalID != "" && (len(a.ExternalID) > 1224 || !externalID.MatchString(a.ExternalID)) {
			v.problem(key+".external_id", a.ExternalID, "write 2 to 1224 letters, digits and +=,.@:/-_, as in the role's trust policy")
		}
	}
}

func orExample(id string) string {
	if accountID.MatchString(id) {
		return id
	}
	return "111122223333"
}

func (v validator) checkRemediate(c Config) {
	r := c.Remediate
	v.oneOf("remediate.mode", r.Mode, "restore", "alert")
	v.oneOf("remediate.on_drift", r.OnDrift, "restore", "alert")
	v.between("remediate.drift_wait", r.DriftWait, 0, 24*time.Hour)
	v.between("remediate.verify_after", r.VerifyAfter, 0, 24*time.Hour)
	v.between("remediate.restore_interval", r.RestoreInterval, time.Second, 24*time.Hour)
	if r.MaxRestores < 1 {
		v.problem("remediate.max_restores", strconv.Itoa(r.MaxRestores), "write 1 or more; to restore nothing, set remediate.mode: alert")
	}
	first := map[string]int{}
	for n, rule := range r.Rules {
		key := fmt.Sprintf("remediate.rules[%d]", n)
		v.checkRule(key, rule, c.Accounts)
		if other, twice := first[rule.Principal]; twice {
			v.problem(key+".principal", rule.Principal, "rules[%d] has it already, and the first that fits counts: keep one", other)
		} else {
			first[rule.Principal] = n
		}
	}
}

// faulty reports whether something of a list has a problem: to compare with
// what is wrong itself would mislead.
func (v validator) faulty(list string) bool {
	for id := range v.told {
		if _, key, _ := strings.Cut(id, "\x00"); key == list || strings.HasPrefix(key, list+"[") {
			return true
		}
	}
	return false
}

func (v validator) checkRule(key string, r Rule, accounts []Account) {
	part, err := parseARN(strings.ReplaceAll(r.Principal, ownAccount, sampleAccount))
	anyAccount := err == nil && strings.Split(r.Principal, ":")[4] == ownAccount
	switch {
	case strings.ContainsAny(strings.ReplaceAll(r.Principal, ownAccount, ""), "{}"):
		v.problem(key+".principal", r.Principal, "of words in braces only {account} is known: it stands for the account that a record is about")
	case err == nil && part.Service == "sts" && sessionOfRole.MatchString(part.Resource):
		v.sessionInRule(key+".principal", r.Principal)
	case err == nil && !accountID.MatchString(part.AccountID):
		v.problem(key+".principal", r.Principal, "write the account's twelve digits: * never stands for an account")
	case err != nil || part.Service != "iam" || part.Region != "" || !principalName.MatchString(part.Resource):
		v.problem(key+".principal", r.Principal, "write the ARN of a role or user, such as arn:aws:iam::111122223333:role/terraform")
	case len(accounts) > 0 && !anyAccount && !v.faulty("accounts") && !slices.ContainsFunc(accounts, func(a Account) bool { return a.ID == part.AccountID }):
		v.problem(key+".principal", r.Principal, "account %s is not one of accounts: nobody else may loosen anything; add the account, or remove the rule", part.AccountID)
	}
	v.oneOf(key+".action", r.Action, "restore", "wait", "alert", "ignore")
	_, hasWait := v.lines[key+".wait"]
	switch {
	case r.Action == "wait" && !hasWait:
		v.problem(key+".wait", "", "write how long to wait, such as 15m")
	case r.Action == "wait":
		v.between(key+".wait", r.Wait, time.Second, 24*time.Hour)
	case hasWait:
		v.problem(key+".wait", short(r.Wait), "goes with action: wait only: remove it, or write that action")
	}
}

// sessionInRule says how records name the role of a session.
func (v validator) sessionInRule(key, principal string) {
	part, _ := parseARN(principal)
	name := strings.Split(part.Resource, "/")[1]
	role, known := asRecorded(name)
	hint := ""
	if !known {
		hint = " (and its path before the name, if it has one: records have it)"
	}
	v.problem(key, principal, "is a session: write its role as records name it, arn:%s:iam::%s:%s%s", part.Partition, part.AccountID, role, hint)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		!strings.HasSuffix(u.Host, ":") && (u.Port() == "" || isPort(u.Port()))
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// parseARN takes an ARN apart, or a pattern of some in which * stands for any text.
// Region and account may be empty; what each must be, the callers know.
func parseARN(s string) (arn.ARN, error) {
	a, err := arn.Parse(s)
	if err != nil || !partition.MatchString(a.Partition) || a.Service == "" || a.Resource == "" {
		return arn.ARN{}, fmt.Errorf("%q is not an ARN", s)
	}
	return a, nil
}

// iamARN takes the ARN of an IAM identity in one account apart. ok is false where the
// text is none, or its resource (role/NAME, user/NAME) is of another form.
func iamARN(s string, resource *regexp.Regexp) (a arn.ARN, ok bool) {
	a, err := parseARN(s)
	return a, err == nil && a.Service == "iam" && a.Region == "" && accountID.MatchString(a.AccountID) && resource.MatchString(a.Resource)
}

// warnings of a configuration that is fine.
func (c Config) warnings() []Warning {
	var out []Warning
	q, err := c.Queue.Parse()
	if r := c.AWS.Region; err == nil && q.Region != "" && r != "" && r != q.Region && len(c.Inventory.Regions) == 0 {
		out = append(out, warning("the queue is in %s, but only the flow logs of %s (aws.region) are kept: name every Region in inventory.regions", q.Region, r))
	}
	for n, s := range c.Alerts {
		if u, err := url.Parse(s.URL); s.Type == "webhook" && err == nil && u.Scheme == "http" {
			out = append(out, warning("alerts[%d].url is plain http: whoever sits between can read the alerts", n))
		}
		if opens := slices.IndexFunc(s.Kinds, func(k string) bool { return slices.Contains(pagerOpens, k) }); s.Type == "pagerduty" && opens >= 0 && !slices.Contains(s.Kinds, "closed") {
			out = append(out, warning("alerts[%d].kinds has no closed: people resolve what %s opens", n, s.Kinds[opens]))
		}
		if u, err := url.Parse(s.URL); s.Type == "slack" && err == nil && u.Scheme == "https" && !ofSlack(u) {
			out = append(out, warning("alerts[%d].url is not at hooks.slack.com: what answers there may not be Slack; see with `flowkeeper alerts test %s`", n, s.Name))
		}
		if s.Type == "webhook" && s.Secret == "" && s.SecretFile == "" {
			out = append(out, warning("alerts[%d] has no secret: its receiver can't tell our alerts from others", n))
		}
	}
	if strings.HasPrefix(c.Heartbeat.URL, "http:") && !isPrivateURL(c.Heartbeat.URL) {
		out = append(out, warning("heartbeat.url is plain http: whoever sits between can read it, and go on when we have fallen silent"))
	}
	return append(out, ruleWarnings(c.Remediate.Rules)...)
}

// pagerOpens are the kinds of alerts that closed resolves.
var pagerOpens = []string{"deletion", "blocked", "decoy", "flapping"}

func warning(format string, args ...any) Warning { return Warning(fmt.Sprintf(format, args...)) }
