package daemon

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowkeeper/configs"
	"flowkeeper/remediate/incident"
)

// TestBaseRegion: the Region is that of aws.region, else of the environment, else of the queue. The test is not
// parallel, because it changes the environment of the process.
func TestBaseRegion(t *testing.T) {
	for name, c := range map[string]struct{ configured, environment, queue, want string }{
		"configured":         {"eu-west-1", "us-east-1", "ap-south-1", "eu-west-1"},
		"of the environment": {"", "us-east-1", "ap-south-1", "us-east-1"},
		"of the queue":       {"", "", "ap-south-1", "ap-south-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.environment)
			t.Setenv("AWS_CONFIG_FILE", "/dev/null")
			conf := configs.Default()
			conf.AWS.Region, conf.Queue.URL = c.configured, "arn:aws:sqs:"+c.queue+":111122223333:flowkeeper"
			base, err := Base(t.Context(), conf, slog.New(slog.DiscardHandler))
			if err != nil || base.Region != c.want {
				t.Errorf("%+v: %q, %v", c, base.Region, err)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	c := configs.Default()
	c.Remediate.Mode, c.Remediate.OnDrift = "alert", "alert"
	c.Remediate.Rules = []configs.Rule{{Principal: "a", Action: "ignore"}, {Principal: "b", Action: "wait", Wait: time.Minute}}
	want := incident.Policy{
		AlertOnly: true, DriftAlerts: true, DriftWait: 2 * time.Minute, ConsistencyWindow: 2 * time.Minute, VerifyAfter: 10 * time.Minute,
		MaxRestores: 5, RestoreInterval: 10 * time.Minute,
		Rules: []incident.Rule{{Principal: "a", Action: incident.Ignore}, {Principal: "b", Action: incident.Wait, Wait: time.Minute}},
	}
	want.TokenKey = "of the state file"
	if d := cmp.Diff(want, Policy(c, "of the state file")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
