package logfile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/logfile"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	log := logfile.Key{Kind: logfile.Log, Account: "111122223333", Region: "eu-west-1", Day: day}
	const rest = "111122223333/CloudTrail/eu-west-1/2026/03/01/"
	const name = "111122223333_CloudTrail_eu-west-1_20260301T1205Z_Abc123.json.gz"
	for key, want := range map[string]logfile.Key{
		"AWSLogs/" + rest + name:                                                                    log,
		"AWSLogs/o-exampleorgid/" + rest + name:                                                     log,
		"trails/all of them/AWSLogs/o-exampleorgid/" + rest + name:                                  log,
		"a/CloudTrail-Digest/AWSLogs/" + rest + name:                                                log,
		"a/CloudTrail-Insight/b/AWSLogs/o-x/" + rest + name:                                         log,
		"a/CloudTrail-Digest/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz": {Kind: logfile.Digest},
		"AWSLogs/" + rest + "renamed.json.gz":                                                       log,
		"AWSLogs/" + rest + "inflated.json":                                                         log,
		"AWSLogs/" + rest:                                                                           {Kind: logfile.Folder},
		"":                                                                                          {Kind: logfile.Foreign},
		"/":                                                                                         {Kind: logfile.Folder},
		"AWSLogs/" + rest + "deeper/" + name:                                                        {Kind: logfile.Foreign},
		"AWSLogs/11112222333/CloudTrail/eu-west-1/2026/03/01/x.json.gz":                 {Kind: logfile.Foreign},
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/02/30/x.json.gz":                {Kind: logfile.Foreign},
		"AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/03/01/x.log.gz":                {Kind: logfile.Foreign},
		"AWSLogs/111122223333/Config/eu-west-1/2026/3/1/ConfigHistory/x.json.gz":        {Kind: logfile.Foreign},
		"AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz":         {Kind: logfile.Digest},
		"AWSLogs/o-x/111122223333/CloudTrail-Insight/eu-west-1/2026/03/01/x.json.gz":    {Kind: logfile.Insight},
		"AWSLogs/111122223333/CloudTrail/us-gov-west-1/2026/03/01/x.json.gz":            {Kind: logfile.Log, Account: "111122223333", Region: "us-gov-west-1", Day: day},
		"xAWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz":               {Kind: logfile.Foreign},
		"AWSLogs/o-../111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz":           {Kind: logfile.Foreign},
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz\n":              {Kind: logfile.Foreign},
		"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/two\nlines\u202e.json.gz": log,
	} {
		t.Run(fmt.Sprintf("%q", key), func(t *testing.T) {
			t.Parallel()
			if got := logfile.ParseKey(key); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestTrail(t *testing.T) {
	t.Parallel()
	const rest = "111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz"
	for key, want := range map[string]string{
		"AWSLogs/" + rest:                                  "AWSLogs/",
		"AWSLogs/o-x/" + rest:                              "AWSLogs/",
		"a/b c/AWSLogs/o-x/" + rest:                        "a/b c/AWSLogs/",
		"AWSLogs/a/AWSLogs/" + rest:                        "AWSLogs/a/AWSLogs/",
		"/AWSLogs/" + rest:                                 "/AWSLogs/",
		"AWSLogs/111122223333/CloudTrail-Digest/x.json":    "",
		"xAWSLogs/" + rest:                                 "",
		"AWSLogs/AWSLogs/" + rest:                          "AWSLogs/AWSLogs/",
		strings.Repeat("a", 2000) + "/AWSLogs/o-x/" + rest: strings.Repeat("a", 2000) + "/AWSLogs/",
		"": "",
	} {
		t.Run(fmt.Sprintf("%.40q", key), func(t *testing.T) {
			t.Parallel()
			if got := logfile.Trail(key); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}
