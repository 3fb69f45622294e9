package daemon

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/robfig/cron/v3"

	"flowkeeper/alert"
	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/scopes"
	"flowkeeper/remediate/incident"
)

// Policy returns the policy of restores that the configuration describes. key is the key of
// ClientTokens (see [store.Store.TokenKey]); a caller that creates nothing may leave it empty.
func Policy(c configs.Config, key incident.TokenKey) incident.Policy {
	p := incident.Policy{
		AlertOnly:   c.Remediate.Mode == "alert",
		DriftAlerts: c.Remediate.OnDrift == "alert",
		DriftWait:   c.Remediate.DriftWait, ConsistencyWindow: c.Inventory.Settle, VerifyAfter: c.Remediate.VerifyAfter,
		MaxRestores: c.Remediate.MaxRestores, RestoreInterval: c.Remediate.RestoreInterval,
		Destinations: c.Inventory.Destinations, TokenKey: key,
		LateRecords: len(c.LogFiles.Buckets) > 0,
	}
	actions := map[string]incident.Action{"restore": incident.Restore, "wait": incident.Wait, "alert": incident.Alert, "ignore": incident.Ignore}
	for _, r := range c.Remediate.Rules {
		p.Rules = append(p.Rules, incident.Rule{Principal: r.Principal, Action: actions[r.Action], Wait: r.Wait})
	}
	return p
}

// schedules returns when scopes are refreshed, and when restores are rehearsed (nil: never).
func schedules(c configs.Config) (refresh, rehearsal cron.Schedule, err error) {
	if refresh, err = cron.ParseStandard(c.Inventory.Schedule); err != nil {
		return nil, nil, fmt.Errorf("inventory.schedule: %w", err)
	}
	if c.Rehearsal.Schedule == "" {
		return refresh, nil, nil
	}
	if rehearsal, err = cron.ParseStandard(c.Rehearsal.Schedule); err != nil {
		return nil, nil, fmt.Errorf("rehearsal.schedule: %w", err)
	}
	return refresh, rehearsal, nil
}

// Base returns the configuration of the AWS SDK that all clients start from. Its Region is
// aws.region, else that of the environment, else the queue's.
func Base(ctx context.Context, c configs.Config, log *slog.Logger) (aws.Config, error) {
	base, err := scopes.Base(ctx, scopes.Options{Region: c.AWS.Region, EndpointURL: c.AWS.EndpointURL, Log: log})
	if err != nil || base.Region != "" {
		return base, err
	}
	if q, err := c.Queue.Parse(); err == nil {
		base.Region = q.Region
	}
	return base, nil
}

// Accounts returns the accounts that the configuration names; none: the account of the credentials.
func Accounts(c configs.Config) []scopes.Account {
	c.Organization = configs.Organization{}
	return ProtectedAccounts(c, "", nil)
}

// Names returns the names of accounts that the configuration has, by their numbers.
func Names(c configs.Config) map[string]string {
	out := map[string]string{}
	for _, a := range c.Accounts {
		if a.Name != "" {
			out[a.ID] = a.Name
		}
	}
	return out
}

// Routes returns which alerts each configured sink gets.
func Routes(c configs.Config) sink.Routes {
	var out sink.Routes
	for _, s := range c.Alerts {
		r := sink.Route{Name: s.Name, MinLevel: alert.Level(s.MinLevel)}
		for _, k := range s.Kinds {
			r.Kinds = append(r.Kinds, alert.Kind(k))
		}
		if s.Type == "pagerduty" && len(r.Kinds) == 0 {
			r.Kinds = sink.PagerKinds
		}
		out = append(out, r)
	}
	return out
}

// Sinks returns the configured sinks and the log by name.
func Sinks(c configs.Config, base aws.Config, log *slog.Logger, version string) (map[string]sink.Sink, error) {
	out := map[string]sink.Sink{sink.LogName: sink.NewLog(log)}
	for _, conf := range c.Alerts {
		s, err := newSink(conf, base, version)
		if err != nil {
			return nil, err
		}
		if conf.Timeout > 0 {
			s = sink.WithTimeout(s, conf.Timeout)
		}
		out[conf.Name] = s
	}
	return out, nil
}

func newSink(s configs.Sink, base aws.Config, version string) (sink.Sink, error) {
	switch s.Type {
	case "webhook":
		return sink.NewWebhook(s.Name, s.URL, s.Secret, version)
	case "slack":
		return sink.NewSlack(s.Name, s.URL, version), nil
	case "pagerduty":
		return sink.NewPagerDuty(s.Name, s.RoutingKey, s.URL, version), nil
	case "sns":
		client := sns.NewFromConfig(base, func(o *sns.Options) {
			if topic, err := arn.Parse(s.TopicARN); err == nil {
				o.Region = topic.Region // a topic is reached in its own Region
			}
		})
		return sink.NewTopic(s.Name, s.TopicARN, client), nil
	}
	return nil, fmt.Errorf("alerts: there is no sink of type %q", s.Type)
}
