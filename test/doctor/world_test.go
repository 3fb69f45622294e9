// Package doctor_test breaks one thing after the other that an event needs on its way, and checks that
// `flowkeeper doctor` reports it. Each test uses an AWS that has the service: the fake, LocalStack or moto.
// The table is in docs/doctor.md.
package doctor_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"flowkeeper/alert/sink"
	"flowkeeper/configs"
	"flowkeeper/internal/doctor"
	"flowkeeper/test/localstack"
)

const region = "eu-west-1"

// shared is the LocalStack of this test process.
var shared localstack.Shared

func TestMain(m *testing.M) {
	code := shared.Main(m)
	if err := motoServer.stop(); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// results are the results of a run, by check.
type results map[string][]doctor.Result

// examine runs all checks. They must come in their order, and none may be missing.
func examine(t *testing.T, d *doctor.Doctor) results {
	t.Helper()
	out, order := results{}, []string{}
	must(t, d.Run(t.Context(), func(group []doctor.Result) error {
		for _, r := range group {
			out[r.Check] = append(out[r.Check], r)
			if !slices.Contains(order, r.Check) {
				order = append(order, r.Check)
			}
		}
		return nil
	}))
	var want []string
	for _, c := range doctor.Checks() {
		want = append(want, c.ID)
	}
	if !slices.Equal(order, want) {
		t.Errorf("the checks came in the order\n%q, want\n%q", order, want)
	}
	return out
}

// expect wants a result of a check with a status and with words in its detail or fix.
func (r results) expect(t *testing.T, check string, status doctor.Status, words ...string) doctor.Result {
	t.Helper()
	for _, x := range r[check] {
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(x.Detail+"\n"+x.Fix, w) })
		if x.Status != status || missing {
			continue
		}
		if (status == doctor.Fail || status == doctor.Warn) && x.See != "docs/troubleshoot.md#"+check {
			t.Errorf("%s refers to %q, want its section of docs/troubleshoot.md", check, x.See)
		}
		return x
	}
	t.Errorf("%s is not %s with %q: %+v", check, status, words, r[check])
	return doctor.Result{}
}

// newDoctor returns a Doctor of one account in one Region, with a state file in its own folder.
func newDoctor(t *testing.T, cfg aws.Config, queueURL string) *doctor.Doctor {
	t.Helper()
	return &doctor.Doctor{
		Config: configs.Config{
			Queue:     configs.Queue{URL: queueURL},
			Inventory: configs.Inventory{Schedule: "@every 5m", Regions: []string{region}},
			Rehearsal: configs.Rehearsal{Schedule: "@every 1h"},
			State:     configs.State{Path: t.TempDir() + "/state.db"},
			Remediate: configs.Remediate{Mode: "restore"},
			AWS:       configs.AWS{EndpointURL: aws.ToString(cfg.BaseEndpoint)}, // queue URLs of LocalStack have another host than its endpoint
		},
		File: "flowkeeper.yaml", AWS: cfg, Now: time.Now, Routes: sink.Routes{},
	}
}

func static(key, secret, token string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(key, secret, token)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
