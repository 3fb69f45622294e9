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

// validator checks the values of a configuration that was read.
type validator struct{ *loader }

// validate adds a problem for everything that is wrong.
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
		v.problem(key, Tidy(d), "write a duration from %s to %s", Tidy(least), Tidy(most))
	}
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

// seconds checks a duration that SQS takes: whole seconds, at least one.
func (v validator) seconds(key string, d, most time.Duration) {
	v.between(key, d, time.Second, most)
	if d%time.Second != 0 {
		v.problem(key, Tidy(d), "SQS counts whole seconds: write %s", Tidy(d.Round(time.Second)))
	}
}

const ages = 100 * 365 * 24 * time.Hour // no upper bound worth naming

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
