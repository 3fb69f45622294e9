package configs

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	topicName  = regexp.MustCompile(`^[\w-]{1,256}(\.fifo)?$`)
	sinkName   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	routingKey = regexp.MustCompile(`^[0-9A-Za-z]{32}$`)
)

// Kinds of alerts that a sink may ask for.
var Kinds = []string{"deletion", "attempt", "restored", "blocked", "closed", "flapping", "decoy", "tamper", "pipeline", "destination"}

// sinkKeys are the keys in addition to those that every sink has, by type.
var sinkKeys = map[string][]string{
	"webhook":   {"url", "secret"},
	"sns":       {"topic_arn"},
	"slack":     {"url"},
	"pagerduty": {"routing_key", "url"},
}

// sinkTimeout is the default timeout of a sink, for one try.
const sinkTimeout = 10 * time.Second

// fillSinks sets the timeout of sinks that set none.
func (l *loader) fillSinks(c *Config) {
	for n := range c.Alerts {
		if !l.written(fmt.Sprintf("alerts[%d].timeout", n)) {
			c.Alerts[n].Timeout = sinkTimeout
		}
	}
}

func (check checks) sink(key string, s Sink, names map[string]bool) {
	check.require(sinkName.MatchString(s.Name), key+".name", s.Name, "write a name of up to 63 small letters, digits, - and _")
	check.require(!names[s.Name], key+".name", s.Name, "another sink has this name (log is always there): write another")
	names[s.Name] = true
	if check.written(key + ".min_level") {
		check.oneOf(key+".min_level", s.MinLevel, "informational", "low", "medium", "high", "critical")
	}
	check.kinds(key+".kinds", s)
	check.between(key+".timeout", s.Timeout, time.Second, time.Minute)
	used, known := sinkKeys[s.Type]
	if !known {
		check.oneOf(key+".type", s.Type, "webhook", "sns", "slack", "pagerduty")
		return
	}
	check.sinkType(key, s)
	for _, k := range []string{"url", "secret", "topic_arn", "routing_key"} {
		check.require(!check.written(key+"."+k) || slices.Contains(used, k), key+"."+k, "", "has no use in a sink of type %s: remove it", s.Type)
	}
}

func (check checks) kinds(key string, s Sink) {
	for n, k := range s.Kinds {
		one := fmt.Sprintf("%s[%d]", key, n)
		check.require(slices.Index(s.Kinds, k) == n, one, k, twice)
		check.oneOf(one, k, Kinds...)
	}
}

func (check checks) sinkType(key string, s Sink) {
	switch s.Type {
	case "webhook":
		check.require(isURL(s.URL), key+".url", s.URL, "write the receiver's URL, https://…, or give url_file")
		check.require(!check.written(key+".secret") || goodSecret(s.Secret), key+".secret", s.Secret, "write whsec_ and the base64 of 24 bytes or more: echo whsec_$(openssl rand -base64 32)")
	case "sns":
		topic, err := parseARN(s.TopicARN)
		check.require(err == nil && inRegion(topic, "sns", topicName), key+".topic_arn", s.TopicARN, "write the topic's ARN, such as arn:aws:sns:eu-west-1:111122223333:alerts")
	case "slack":
		check.slackURL(key+".url", s.URL)
	case "pagerduty":
		check.require(routingKey.MatchString(s.RoutingKey), key+".routing_key", s.RoutingKey, "copy the 32 letters and digits of the service's integration \"Events API v2\", or give routing_key_file")
		check.require(!check.written(key+".url") || isPagerURL(s.URL), key+".url", s.URL, "write https://events.pagerduty.com or, for an account in the EU, https://events.eu.pagerduty.com: no path behind it")
	}
}

// slackURL checks the URL of a sink. It refuses a URL at Slack that is no incoming webhook's: a workflow
// trigger answers 200 to any request and starts its workflow, but shows no alert.
func (check checks) slackURL(key, s string) {
	const advice = "make an incoming webhook (the Slack app's page, Incoming Webhooks): its URL begins with https://hooks.slack.com/services/"
	u, err := url.Parse(s)
	switch {
	case err != nil || !isPrivateURL(s):
		check.problem(key, s, "copy the incoming webhook's URL from the app's page, https://…, or give url_file")
	case !ofSlack(u) || strings.HasPrefix(u.Path, "/services/") && len(u.Path) > len("/services/"):
	case strings.HasPrefix(u.Path, "/triggers/"), strings.HasPrefix(u.Path, "/workflows/"):
		check.problem(key, s, "is a workflow's trigger: each post would start the workflow, and none would show the alert; %s", advice)
	default:
		check.problem(key, s, "is at Slack, but no incoming webhook; %s", advice)
	}
}

// ofSlack reports whether a URL is at a host of Slack's webhooks: Slack's own, or GovSlack's.
func ofSlack(u *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return host == "hooks.slack.com" || host == "hooks.slack-gov.com"
}

func isPagerURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isPrivateURL(s) && strings.Trim(u.Path, "/") == "" && !strings.ContainsAny(s, "@?#")
}

// isPrivateURL reports whether a request to the URL can carry a secret that nobody on the
// network path can read: it is https, or an address of this machine.
func isPrivateURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !isURL(s) {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func goodSecret(s string) bool {
	raw, ok := strings.CutPrefix(s, "whsec_")
	b, err := base64.StdEncoding.DecodeString(raw)
	return ok && err == nil && len(b) >= 24
}
