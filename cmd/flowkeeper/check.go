package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/robfig/cron/v3"
	"github.com/spf13/cobra"

	"flowkeeper/alert"
	"flowkeeper/configs"
	"flowkeeper/internal/term"
)

func newCheckCommand(a *app) *cobra.Command {
	return a.withJSON("one JSON object", &cobra.Command{
		Use: "check", Short: "Read the configuration and print every problem, offline", Args: noArgs,
		Long: `Read the configuration as ` + "`flowkeeper run`" + ` does and print every problem at
once, each with its key, its value and what to write instead (exit code 78), or
what the configuration means. It uses neither the network nor the state file.`,
		Example: `  flowkeeper check --config flowkeeper.yaml

  # Before a restart, in a script
  flowkeeper check && systemctl restart flowkeeper`,
		SuggestFor: []string{"validate", "config", "lint", "test"},
		RunE:       func(*cobra.Command, []string) error { return checkConfig(a) },
	})
}

func checkConfig(a *app) error {
	c, warnings, err := a.config(needs{queue: true})
	if err == nil && len(c.Alerts) == 0 {
		warnings = append(warnings, "alerts: no sink is configured: alerts go to the log only")
	}
	for _, w := range warnings {
		a.complain("warning: " + w.String())
	}
	m := summary{Warnings: warnings}
	if err == nil {
		m.describe(a, c)
	} else if problems, ok := errors.AsType[*configs.Problems](err); ok {
		m.Problems = *problems
	}
	switch {
	case a.JSON:
		a.Object(m)
	case err == nil:
		text, color := "the configuration is valid", term.Green
		if len(warnings) > 0 {
			text, color = text+", "+alert.Plural(len(warnings), "warning"), term.Yellow
		}
		a.Printf("%s\n", a.Paint(text, color))
		a.Sheet(m.sheet(a))
	}
	return err
}

// summary is what a configuration means. For a wrong configuration it has only the problems.
type summary struct {
	OK          bool              `json:"ok"`
	File        string            `json:"file,omitempty"`
	Queue       string            `json:"queue,omitempty"`
	QueueRegion string            `json:"queue_region,omitempty"`
	QueueAt     string            `json:"queue_endpoint,omitempty"` // absent: the usual one of the Region
	Schedule    string            `json:"schedule,omitempty"`
	NextRefresh alert.Time        `json:"next_refresh,omitzero"` // the first is at start
	Accounts    []string          `json:"accounts,omitempty"`    // absent: only the organisation's, or the account of the credentials
	Members     *membersJSON      `json:"organization,omitempty"`
	LogFiles    []string          `json:"log_files,omitempty"` // s3://bucket/prefix
	Regions     []string          `json:"regions,omitempty"`   // absent: that of the AWS environment
	Sinks       []string          `json:"sinks,omitempty"`     // the log is always there
	Mode        string            `json:"mode,omitempty"`
	OnDrift     string            `json:"on_drift,omitempty"`
	Rules       int               `json:"rules,omitempty"`
	State       string            `json:"state,omitempty"`
	Backup      string            `json:"backup,omitempty"` // absent: none
	Rehearsal   string            `json:"rehearsal,omitempty"`
	NextTry     alert.Time        `json:"next_rehearsal,omitzero"`
	Listen      string            `json:"listen,omitempty"`
	Heartbeat   string            `json:"heartbeat,omitempty"` // how often; absent: off
	Problems    []configs.Problem `json:"problems,omitempty"`
	Warnings    []configs.Warning `json:"warnings,omitempty"`

	accountLabels []string // the numbers of Accounts with their names
}

// membersJSON is which accounts of the organisation are protected. It is a public contract, as summary is.
type membersJSON struct {
	RoleName string   `json:"role_name"`
	Include  []string `json:"include,omitempty"` // absent: all
	Exclude  []string `json:"exclude,omitempty"`
}

// describe fills in what the configuration c means.
func (m *summary) describe(a *app, c configs.Config) {
	m.OK, m.File, m.Queue, m.Schedule, m.Regions = true, a.existingConfig(), c.Queue.URL, c.Inventory.Schedule, c.Inventory.Regions
	m.Mode, m.OnDrift, m.Rules, m.State = c.Remediate.Mode, c.Remediate.OnDrift, len(c.Remediate.Rules), c.State.Path
	q, _ := c.Queue.Parse() // it was checked
	m.QueueRegion, m.QueueAt = q.Region, cmp.Or(c.AWS.EndpointURL, q.Endpoint)
	m.Backup, m.Rehearsal, m.Listen = c.State.Backup, c.Rehearsal.Schedule, c.HTTP.Listen
	if c.Heartbeat.URL != "" || c.Heartbeat.URLFile != "" { // the URL is not read if only the service has it
		m.Heartbeat = configs.Tidy(c.Heartbeat.Every)
	}
	m.NextRefresh, m.NextTry = nextTime(a, c.Inventory.Schedule), nextTime(a, c.Rehearsal.Schedule)
	for _, x := range c.Accounts {
		m.Accounts, m.accountLabels = append(m.Accounts, x.ID), append(m.accountLabels, alert.WithAccount(x.ID, x.Name))
	}
	if o := c.Organization; o.RoleName != "" {
		m.Members = &membersJSON{o.RoleName, o.Include, o.Exclude}
	}
	for _, b := range c.LogFiles.Buckets {
		m.LogFiles = append(m.LogFiles, "s3://"+b.Name+"/"+b.Prefix)
	}
	if len(m.Regions) == 0 && c.AWS.Region != "" {
		m.Regions = []string{c.AWS.Region}
	}
	for _, s := range c.Alerts {
		text := s.Name + " by " + s.Type
		if s.MinLevel != "" {
			text += " (" + s.MinLevel + " and up)"
		}
		if len(s.Kinds) > 0 {
			text += " (only " + strings.Join(s.Kinds, ", ") + ")"
		}
		m.Sinks = append(m.Sinks, text)
	}
}

// nextTime is when a schedule is due next; zero: never.
func nextTime(a *app, schedule string) alert.Time {
	s, err := cron.ParseStandard(schedule)
	if err != nil {
		return alert.Time{}
	}
	return jsonTime(s.Next(a.now()))
}

func (m summary) sheet(a *app) *term.Sheet {
	or := func(list []string, otherwise string) string { return cmp.Or(strings.Join(list, ", "), otherwise) }
	s := &term.Sheet{}
	s.Put("configuration", m.File)
	queue := m.Queue
	if at, _ := url.Parse(m.QueueAt); at != nil && m.QueueAt != "" && !strings.HasPrefix(m.Queue, m.QueueAt+"/") {
		queue += " (at " + at.Host + ")"
	}
	s.Put("queue", queue)
	s.Put("refresh", m.Schedule+": at start, then by "+a.when(m.NextRefresh.Time))
	rehearsal := "off: that AWS would refuse a restore shows only when one is needed"
	if !m.NextTry.IsZero() {
		rehearsal = m.Rehearsal + ": first by " + a.when(m.NextTry.Time)
	}
	s.Put("rehearsal", rehearsal)
	s.Put("accounts", m.accounts())
	s.Put("regions", or(m.Regions, "the one of the AWS environment, or else the queue's"))
	s.Put("log files", or(m.LogFiles, "none: only records in messages are read"))
	s.Put("alerts to", or(m.Sinks, "the log only"))
	mode := map[string]string{"restore": "restore what is deleted", "alert": "alert only, restore nothing"}[m.Mode]
	s.Put("mode", fmt.Sprintf("%s; without an event: %s; %s", mode, m.OnDrift, alert.Plural(m.Rules, "rule")))
	s.Put("state file", m.State)
	s.Put("backup", cmp.Or(m.Backup, "none: on a new machine the snapshot starts empty"))
	listen := "off"
	if m.Listen != "" {
		listen = "http://" + m.Listen + " (/metrics, /healthz, /readyz)"
	}
	s.Put("metrics, health", listen)
	heartbeat := "off: no outside monitor alerts if Flowkeeper stops"
	if m.Heartbeat != "" {
		heartbeat = "every " + m.Heartbeat
	}
	s.Put("heartbeat", heartbeat)
	return s
}

// accounts says whose flow logs are protected.
func (m summary) accounts() string {
	if m.Members == nil {
		return cmp.Or(strings.Join(m.accountLabels, ", "), "the credentials' own")
	}
	parts := []string{"of the organisation, by role " + m.Members.RoleName}
	add := func(word string, list []string) {
		if text := strings.Join(list, ", "); text != "" {
			parts = append(parts, word+" "+text)
		}
	}
	add("include", m.Members.Include)
	add("exclude", m.Members.Exclude)
	add("and", m.accountLabels)
	return strings.Join(parts, "; ")
}
