package configs

import (
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // the zones of schedules, on machines and in images that have none

	"github.com/robfig/cron/v3"
)

// schedule checks a schedule. It refuses also what the cron library accepts but never runs.
func (check checks) schedule(key, s string) {
	check.require(s != "", key, "", "write a cron expression such as \"*/5 * * * *\", or \"@every 5m\"")
	zone, rest, zoned := splitZone(s)
	_, err := time.LoadLocation(zone)
	check.require(!zoned || err == nil, key, s, "there is no time zone %q: write one of the IANA list, such as CRON_TZ=Europe/Berlin, with capitals as there; or UTC", shorten(zone))
	if every, ok := strings.CutPrefix(rest, "@every"); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		check.require(err == nil && d >= time.Second && d%time.Second == 0, key, s, "write @every and a duration in whole seconds, at least 1s: \"@every 5m\"")
	}
	schedule, err := parseCron(s)
	check.require(err == nil, key, s, "not a cron expression: write minute hour day month weekday such as \"*/5 * * * *\", or \"@every 5m\"")
	check.require(err != nil || !schedule.Next(time.Now()).IsZero(), key, s, "never comes: there is no such day")
}

// splitZone takes the time zone off a schedule, as the cron library does: what
// stands between TZ= or CRON_TZ= and the first space.
func splitZone(s string) (zone, rest string, zoned bool) {
	for _, begin := range []string{"CRON_TZ=", "TZ="} {
		if after, ok := strings.CutPrefix(s, begin); ok {
			zone, rest, zoned = strings.Cut(after, " ")
			return zone, strings.TrimSpace(rest), zoned
		}
	}
	return "", strings.TrimSpace(s), false
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

// zoneWarnings warns if the variable TZ names no time zone: Go then silently uses
// UTC. TZ is the zone of the schedules that name none.
func (l *loader) zoneWarnings(schedules ...string) []Warning {
	tz := strings.TrimPrefix(l.env["TZ"], ":")
	if strings.HasPrefix(tz, "/") {
		if _, err := os.Stat(tz); err == nil {
			return nil
		}
	} else if _, err := time.LoadLocation(tz); err == nil {
		return nil
	}
	for _, s := range schedules {
		if _, rest, zoned := splitZone(s); !zoned && rest != "" && !strings.HasPrefix(rest, "@every") {
			return []Warning{warning("the variable TZ (%q) names no time zone of the IANA list: the schedule %q is taken in UTC; write one such as Europe/Berlin", shorten(tz), s)}
		}
	}
	return nil
}
