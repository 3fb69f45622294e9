package store

import (
	"context"
	"database/sql/driver"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowkeeper/internal/cloudtrail"
	"flowkeeper/internal/detection"
	"flowkeeper/inventory"
	"flowkeeper/remediate"
)

var rewrite = flag.Bool("update", false, "write testdata/deletion.txt")

// TestStatementsOfADeletion: testdata/deletion.txt lists, in order, the statements of the transaction that records the
// deletion of a known flow log: file and function of the caller, and how the statement begins.
func TestStatementsOfADeletion(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	r := &remediate.Remediator{
		Store: s.Remediation(), News: s.News(), Fleet: anyScope{}, Refreshes: nobody{}, Senders: nobody{}, Log: slog.New(slog.DiscardHandler),
		Now:        func() time.Time { return noon },
		Background: func(func()) {}, // AWS is not asked
	}
	f := flowLog("fl-1")
	row := inventory.Row{FlowLog: f, RootID: f.ID, State: inventory.Live, Protected: true, WrittenAt: noon, FirstSeenAt: noon, LastSeenAt: noon}
	if err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutFlowLog(row) }); err != nil {
		t.Fatal(err)
	}
	if err := (snapshot{s.file}).Refreshed(t.Context(), f.Scope, noon.Add(-time.Minute), noon.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	listed := record(t, s)
	err := r.RecordFindings(t.Context(), []detection.Finding{{Kind: detection.Deleted, Deleted: []string{f.ID}, Record: cloudtrail.Record{
		EventID: "record-1", EventName: "DeleteFlowLogs", EventTime: noon.Add(-time.Minute), Account: f.Scope.Account, Region: f.Scope.Region,
		Identity: cloudtrail.Identity{Type: "IAMUser", AccountID: f.Scope.Account, ARN: "arn:aws:iam::" + f.Scope.Account + ":user/mallory"},
	}}}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	got, golden := strings.Join(*listed, "\n")+"\n", filepath.Join("testdata", "deletion.txt")
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("a deletion runs other statements than %s has, %v (go test ./internal/store -run TestStatementsOfADeletion -update writes it):\n%s", golden, err, got)
	}
}

// record lists the statements that the writing connection runs from now on.
func record(t *testing.T, s *Store) *[]string {
	t.Helper()
	var listed []string
	c, err := s.w.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(plain any) error {
		c := plain.(*conn)
		for query, statement := range c.idle { // so that each is prepared again, and recorded
			delete(c.idle, query)
			if err := statement.Close(); err != nil {
				return err
			}
		}
		c.sqliteConn = recording{c.sqliteConn, func(query string) { listed = append(listed, caller()+" "+beginning(query)) }}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &listed
}

// recording is a connection whose statements are noted each time that they run.
type recording struct {
	sqliteConn
	note func(query string)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c recording) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, query)
	return noted{s, func() { c.note(query) }}, err
}

type noted struct {
	driver.Stmt
	note func()
}

// ExecContext implements driver.StmtExecContext.
func (s noted) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.note()
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s noted) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.note()
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// caller is the file and the function whose statement runs, without those that run the statements of others.
func caller() string {
	pcs := make([]uintptr, 50)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		_, name, ofStore := strings.Cut(f.Function, "internal/store.")
		switch file := filepath.Base(f.File); file {
		case "deletion_test.go", "prepared.go", "direct.go", "tx.go", "read.go":
		default:
			if ofStore {
				name, _, _ = strings.Cut(name, ".func")
				return fmt.Sprintf("%-15s %-30s", file, name)
			}
		}
	}
	return "unknown"
}

// beginning is how a statement begins, in one line.
func beginning(query string) string {
	const most = 120
	q := strings.Join(strings.Fields(query), " ")
	if len(q) > most {
		q = q[:most] + "…"
	}
	return q
}

// anyScope is a fleet that has every scope. Its client is never called.
type anyScope struct{}

func (anyScope) EC2(inventory.Scope) (remediate.EC2, bool) { return nil, true }

// nobody does nothing when it is asked to refresh, or to send alerts.
type nobody struct {
	remediate.Refreshes
	remediate.Senders
}

func (nobody) Soon(inventory.Scope) {}
func (nobody) Wake()                {}
