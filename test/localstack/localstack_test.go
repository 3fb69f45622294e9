package localstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFirstOf(t *testing.T) {
	t.Parallel()
	fails := func(context.Context, func(string, ...any)) (*Instance, error) {
		return nil, errors.New("engine is off")
	}
	works := func(context.Context, func(string, ...any)) (*Instance, error) {
		return &Instance{Endpoint: "http://127.0.0.1:1", How: "by works"}, nil
	}
	t.Run("the first that works", func(t *testing.T) {
		t.Parallel()
		var said []string
		log := func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) }
		inst, err := firstOf(t.Context(), log, []way{{"a", "x", fails}, {"b", "y", works}, {"c", "z", nil}})
		if err != nil || inst.How != "by works" {
			t.Fatal(inst, err)
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, "a: engine is off") || !strings.Contains(all, "by works") {
			t.Errorf("logged %q, want why a failed, and that b works", all)
		}
		if err := inst.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("none works", func(t *testing.T) {
		t.Parallel()
		_, err := firstOf(t.Context(), t.Logf, []way{{"way-1", "install-1", fails}, {"way-2", "install-2", fails}})
		for _, want := range []string{"way-1: engine is off", "install-1", "way-2", "install-2", "SHORT=1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not mention %q", err, want)
			}
		}
	})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"all there":       {`{"services":{"ec2":"available","sqs":"running","sns":"available","s3":"available","sts":"available","iam":"available","logs":"available","cloudformation":"available","cloudwatch":"available","kms":"available","events":"available"}}`, ""},
		"one is disabled": {`{"services":{"ec2":"available","sqs":"running","sns":"available","s3":"available","sts":"available","iam":"available","logs":"available","cloudformation":"available","cloudwatch":"available","kms":"available","events":"disabled"}}`, "without events"},
		"something else":  {`<html>`, "not as LocalStack does"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, tt.body) }))
			t.Cleanup(srv.Close)
			err := health(t.Context(), srv.URL)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestStartGiven(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	t.Setenv("FLOWKEEPER_TEST_ENDPOINT", srv.URL)
	if _, err := startGiven(t.Context(), t.Logf); err == nil || !strings.Contains(err.Error(), "FLOWKEEPER_TEST_ENDPOINT="+srv.URL) {
		t.Errorf("got %v, want the setting whose endpoint does not answer", err)
	}
}

func TestSweepSparesWhatIsHeldOrNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	left := filepath.Join(dir, "flowkeeper-localstack-left")
	held := filepath.Join(dir, "flowkeeper-localstack-held")
	fresh := filepath.Join(dir, "flowkeeper-localstack-fresh")
	other := filepath.Join(dir, "something-else")
	for _, d := range []string{left, held, fresh, other} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := lockDir(held)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock.Close()
	for _, d := range []string{left, held, other} {
		if err := os.Chtimes(d, old, old); err != nil {
			t.Fatal(err)
		}
	}
	sweep(dir, time.Now().Add(-time.Minute))
	for d, want := range map[string]bool{left: false, held: true, fresh: true, other: true} {
		if _, err := os.Stat(d); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", d, err == nil, want)
		}
	}
}
