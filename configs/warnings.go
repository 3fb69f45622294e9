package configs

import (
	"fmt"
	"net/url"
	"slices"
)

// Warning is about a setting that is valid but may not be what was meant.
type Warning string

func (w Warning) String() string { return string(w) }

func warning(format string, args ...any) Warning { return Warning(fmt.Sprintf(format, args...)) }

// warnIf adds a warning if applies is true.
func warnIf(applies bool, out *[]Warning, format string, args ...any) {
	if applies {
		*out = append(*out, warning(format, args...))
	}
}

// warnings returns the warnings about a configuration whose values are all valid.
func (c Config) warnings() (out []Warning) {
	q, _ := c.Queue.Parse() // empty: no queue is named
	r := c.AWS.Region
	elsewhere := q.Region != "" && r != "" && r != q.Region
	warnIf(elsewhere && len(c.Inventory.Regions) == 0, &out, "the queue is in %s, but only the flow logs of %s (aws.region) are kept: name every Region in inventory.regions", q.Region, r)
	for n, s := range c.Alerts {
		u, err := url.Parse(s.URL)
		switch s.Type {
		case "webhook":
			warnIf(err == nil && u.Scheme == "http", &out, "alerts[%d].url is plain http: anybody on the network path can read the alerts", n)
			warnIf(s.Secret == "" && s.SecretFile == "", &out, "alerts[%d] has no secret: its receiver can't tell our alerts from others", n)
		case "pagerduty":
			opens := slices.IndexFunc(s.Kinds, func(k string) bool { return slices.Contains(pagerOpens, k) })
			if opens >= 0 && !slices.Contains(s.Kinds, "closed") {
				out = append(out, warning("alerts[%d].kinds has no closed: people resolve what %s opens", n, s.Kinds[opens]))
			}
		case "slack":
			warnIf(err == nil && u.Scheme == "https" && !ofSlack(u), &out, "alerts[%d].url is not at hooks.slack.com: what answers there may not be Slack; see with `flowkeeper alerts test %s`", n, s.Name)
		}
	}
	ping := c.Heartbeat.URL
	warnIf(ping != "" && !isPrivateURL(ping), &out, "heartbeat.url is plain http: anybody on the network path can read it, and send heartbeats when Flowkeeper does not")
	noKey := c.Remediate.TokenKey == "" && c.Remediate.TokenKeyFile == ""
	warnIf(noKey && len(c.Rehearsal.Principals) > 0, &out, "rehearsal.principals names other Flowkeepers, and there is no remediate.token_key that they share: if two restore the same flow log, only AWS's refusal of a second equal one keeps it single")
	return append(out, ruleWarnings(c.Remediate.Rules)...)
}

// pagerOpens are the kinds of alerts that open an incident in the pager, which an alert of kind closed resolves.
var pagerOpens = []string{"deletion", "blocked", "decoy", "flapping"}
