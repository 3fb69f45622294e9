package configs

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

func (check checks) inventory(i Inventory) {
	check.schedule("inventory.schedule", i.Schedule)
	check.require(i.AlertRefresh == 0 || i.AlertRefresh >= 5*time.Second && i.AlertRefresh <= time.Hour, "inventory.alert_refresh", Tidy(i.AlertRefresh), "write a duration from 5s to 1h, or 0s for none")
	check.require(i.MaxConcurrent >= 1 && i.MaxConcurrent <= 256, "inventory.max_concurrent", strconv.Itoa(i.MaxConcurrent), "write 1 to 256")
	check.regions("inventory.regions", i.Regions)
	for n, d := range i.Destinations {
		fix := destinationFix(d)
		check.require(fix == "", fmt.Sprintf("inventory.destinations[%d]", n), d, "%s", fix)
	}
	for n, d := range i.DependsOn {
		key := fmt.Sprintf("inventory.depends_on[%d]", n)
		p, err := parseARN(d)
		check.require(err == nil && slices.Contains(watched, p.Service), key, d, "write an ARN of %s, or a pattern of some such as arn:aws:kms:*:111122223333:key/*", strings.Join(watched, ", "))
		check.require(p.Service != "kms" || strings.HasPrefix(p.Resource, "key/"), key, d, "write the key's ARN, …:key/ID: no record names an alias")
	}
	check.between("inventory.settle", i.Settle, 0, time.Hour)
	check.between("inventory.retention", i.Retention, 360*time.Hour, hundredYears)
}

func (check checks) regions(list string, names []string) {
	for n, r := range names {
		key := fmt.Sprintf("%s[%d]", list, n)
		check.require(r != "all" || len(names) == 1, key, r, "all stands alone: write [all], or the names")
		check.require(r == "all" || regionName.MatchString(r), key, r, "write a Region such as %s, or [all]", likelyRegion(r))
		check.require(slices.Index(names, r) == n, key, r, twice)
	}
}

// watched are the services whose calls the rules about tampering know.
var watched = []string{"logs", "s3", "iam", "firehose", "kms", "cloudtrail", "events", "sqs"}

var zoneName = regexp.MustCompile(`^(.*-\d{1,2})[a-z]$`)

// likelyRegion returns the Region that a wrong name probably means, or an example.
func likelyRegion(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "-")
	if zone := zoneName.FindStringSubmatch(s); zone != nil {
		s = zone[1]
	}
	if regionName.MatchString(s) {
		return s
	}
	return "eu-west-1"
}

// destinationFix returns what to write instead of a pattern that matches no destination, or
// nothing: destinations are ARNs without ":*" at the end.
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
