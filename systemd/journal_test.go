package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"pgregory.net/rapid"
)

type entry struct {
	message  string
	priority journal.Priority
	fields   map[string]string
}

// captured returns a Journal, and the entries that it sends to the journal's socket.
func captured(level slog.Leveler) (*Journal, *[]entry) {
	var got []entry
	return &Journal{
		level: level, out: log.New(io.Discard, "", 0),
		send: func(m string, p journal.Priority, f map[string]string) error {
			got = append(got, entry{m, p, f})
			return nil
		},
	}, &got
}

type secretive struct{}

func (secretive) LogValue() slog.Value { return slog.StringValue("hidden") }

func TestJournalEntry(t *testing.T) {
	t.Parallel()
	j, got := captured(slog.LevelDebug)
	log := slog.New(j).With("scope", "111122223333/eu-west-1").WithGroup("aws").With("code", "Client.X")
	log.Warn("create refused", "error", errors.New("no way"), "took", 2*time.Second, "n", 3,
		slog.Group("who", "arn", "arn:aws:iam::1:user/m"), slog.Attr{}, "secret", secretive{},
		"at", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), "ids", []string{"fl-1", "fl-2"})
	want := entry{
		message: `create refused scope=111122223333/eu-west-1 aws.code=Client.X aws.error="no way" aws.took=2s aws.n=3 ` +
			`aws.who.arn=arn:aws:iam::1:user/m aws.secret=hidden aws.at=2026-03-01T12:00:00Z aws.ids="[fl-1 fl-2]"`,
		priority: journal.PriWarning,
		fields: map[string]string{
			"SYSLOG_IDENTIFIER": "flowkeeper",
			"FLOWKEEPER_SCOPE":  "111122223333/eu-west-1", "FLOWKEEPER_AWS_CODE": "Client.X", "FLOWKEEPER_AWS_ERROR": "no way",
			"FLOWKEEPER_AWS_TOOK": "2s", "FLOWKEEPER_AWS_N": "3", "FLOWKEEPER_AWS_WHO_ARN": "arn:aws:iam::1:user/m",
			"FLOWKEEPER_AWS_SECRET": "hidden", "FLOWKEEPER_AWS_AT": "2026-03-01T12:00:00Z", "FLOWKEEPER_AWS_IDS": "[fl-1 fl-2]",
		},
	}
	if len(*got) != 1 || (*got)[0].message != want.message || (*got)[0].priority != want.priority || !maps.Equal((*got)[0].fields, want.fields) {
		t.Errorf("got the entries %+v, want only %+v", *got, want)
	}
}

func TestJournalPriorities(t *testing.T) {
	t.Parallel()
	j, got := captured(slog.LevelInfo)
	log := slog.New(j)
	log.Debug("below the level")
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	var ps []journal.Priority
	for _, e := range *got {
		ps = append(ps, e.priority)
	}
	if len(ps) != 3 || ps[0] != 6 || ps[1] != 4 || ps[2] != 3 || priority(slog.LevelDebug) != 7 {
		t.Error(ps)
	}
}

func TestJournalWithDoesNotShare(t *testing.T) {
	t.Parallel()
	j, got := captured(slog.LevelInfo)
	base := slog.New(j).With("a", 1)
	one, two := base.With("b", 1), base.With("c", 2)
	one.Info("x")
	two.WithGroup("").Info("x")
	if (*got)[0].message != "x a=1 b=1" || (*got)[1].message != "x a=1 c=2" {
		t.Errorf("got the entries %+v, want the attributes b and c in one entry each", *got)
	}
}

func TestJournalFallsBackToStderr(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(string, journal.Priority, map[string]string) error{
		"no socket":    nil,
		"socket fails": func(string, journal.Priority, map[string]string) error { return errors.New("gone") },
	} {
		var buf bytes.Buffer
		j := &Journal{level: slog.LevelInfo, out: log.New(&buf, "", 0), send: send}
		slog.New(j).Error("queue gone", "queue", "q")
		if got := buf.String(); got != "<3>queue gone queue=q\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNewJournalAnywhere(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	j := NewJournal(slog.LevelInfo, &buf)
	if journal.Enabled() != (j.send != nil) {
		t.Error("the journal's socket is not used where there is one, or is where there is none")
	}
}

// TestJournalStreamIsComparedWithTheFile: a process may inherit JOURNAL_STREAM from a service while its own log goes
// elsewhere. So OnJournal is true only for a file with the device and inode that JOURNAL_STREAM names.
func TestJournalStreamIsComparedWithTheFile(t *testing.T) {
	t.Parallel()
	mine, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(mine.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	right := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for name, c := range map[string]struct {
		stream string
		want   bool
	}{
		"of the file":            {right, true},
		"another file":           {fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), false},
		"another device":         {fmt.Sprintf("%d:%d", st.Dev+1, st.Ino), false},
		"invented numbers":       {"9:12345", false},
		"none":                   {"", false},
		"no numbers":             {":", false},
		"a word":                 {"x", false},
		"without an inode":       {right + ":", false},
		"with a space before it": {" " + right, false},
		"no device":              {fmt.Sprintf("%d", st.Ino), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OnJournal(mine, c.stream); got != c.want {
				t.Error(got)
			}
		})
	}
	mine.Close()
	if OnJournal(mine, right) {
		t.Error("a closed file counts as the journal's stream")
	}
}

// I12: no text in a message, key, value or group can make a second entry or another field, or control a terminal.
func TestI12JournalOneLineAndValidNames(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^FLOWKEEPER_[A-Z0-9_]*$`)
	rapid.Check(t, func(t *rapid.T) {
		foreign := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\n<0>forged", "\x1b[2J", "\u202e", "\xff", "k=v\"", ""}))
		j, got := captured(slog.LevelInfo)
		var buf bytes.Buffer
		slog.New(j).WithGroup(foreign.Draw(t, "group")).Info(foreign.Draw(t, "message"), foreign.Draw(t, "key"), foreign.Draw(t, "value"))
		e := (*got)[0]
		if visible(e.message) != e.message {
			t.Fatalf("%q", e.message)
		}
		if got := e.fields["SYSLOG_IDENTIFIER"]; got != "flowkeeper" {
			t.Fatalf("the identifier is %q", got)
		}
		delete(e.fields, "SYSLOG_IDENTIFIER")
		for k, v := range e.fields {
			if !name.MatchString(k) || len(k) > maxName || visible(v) != v {
				t.Fatalf("%q=%q", k, v)
			}
		}
		j.send, j.out = nil, log.New(&buf, "", 0)
		slog.New(j).Info(foreign.Draw(t, "message"), "k", foreign.Draw(t, "value"))
		if s := buf.String(); strings.Count(s, "\n") != 1 || !strings.HasSuffix(s, "\n") || !strings.HasPrefix(s, "<6>") {
			t.Fatalf("%q", s)
		}
	})
}
