package systemd

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/journal"
)

// Journal is the slog.Handler of `log.format: journal`. Each record becomes
// one journal entry: MESSAGE is the log line, the priority follows from the
// level, and every attribute is also a field, so that
// `journalctl FLOWKEEPER_ALERT=alrt_…` finds the entry. The journal sets the time.
type Journal struct {
	level slog.Leveler
	send  func(message string, p journal.Priority, fields map[string]string) error // nil: no journal
	// out takes the lines that the journal does not take.
	out   *log.Logger
	group string  // names of the open groups, each followed by a dot
	attrs []field // those of WithAttrs, with their groups in the keys
}

// field is one attribute as text; its key begins with its groups, each followed by a dot.
type field struct{ key, value string }

// fieldPrefix keeps our fields apart from the journal's own (MESSAGE,
// SYSLOG_…, CODE_…), which an attribute of that name would overwrite.
const fieldPrefix = "FLOWKEEPER_"

// maxName is the journal's own limit for a field's name, in bytes.
const maxName = 64

// NewJournal returns a handler for records of at least level. If there is no
// journal socket, or it fails, lines go to stderr and begin with the priority
// as <N>, which systemd understands as well.
func NewJournal(level slog.Leveler, stderr io.Writer) *Journal {
	j := &Journal{level: level, out: log.New(stderr, "", 0)}
	if journal.Enabled() {
		j.send = journal.Send
	}
	return j
}

// OnJournal reports whether f is the stream to the journal that stream, the value of
// JOURNAL_STREAM, names by its device and inode. If it names another one, the variable
// was inherited from a parent whose output went to the journal, and f does not go there
// (systemd.exec(5)).
func OnJournal(f *os.File, stream string) bool {
	device, inode, ok := strings.Cut(stream, ":")
	info, err := f.Stat()
	if !ok || err != nil {
		return false
	}
	st, is := info.Sys().(*syscall.Stat_t)
	return is && device == strconv.FormatUint(uint64(st.Dev), 10) && inode == strconv.FormatUint(uint64(st.Ino), 10)
}

// Enabled implements slog.Handler.
func (j *Journal) Enabled(_ context.Context, l slog.Level) bool { return l >= j.level.Level() }

// WithAttrs implements slog.Handler.
func (j *Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *j
	next.attrs = slices.Clone(j.attrs)
	for _, a := range attrs {
		next.attrs = flatten(next.attrs, j.group, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (j *Journal) WithGroup(name string) slog.Handler {
	if name == "" {
		return j
	}
	next := *j
	next.group += name + "."
	return &next
}

// Handle implements slog.Handler.
func (j *Journal) Handle(_ context.Context, r slog.Record) error {
	all := slices.Clone(j.attrs)
	r.Attrs(func(a slog.Attr) bool {
		all = flatten(all, j.group, a)
		return true
	})
	line, p := render(r.Message, all), priority(r.Level)
	if j.send != nil && j.send(line, p, fields(all)) == nil {
		return nil
	}
	return j.out.Output(0, fmt.Sprintf("<%d>%s", p, line))
}

// flatten appends an attribute, or the attributes of a group, as texts.
func flatten(to []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			to = flatten(to, prefix, inner)
		}
		return to
	}
	if a.Equal(slog.Attr{}) {
		return to
	}
	return append(to, field{prefix + a.Key, text(v)})
}

func text(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindAny:
		return fmt.Sprintf("%+v", v.Any())
	}
	return v.String()
}

// render is the line for people. One record is one line, whatever is in it:
// a line break in foreign text must not begin an entry of its own (I12).
func render(message string, all []field) string {
	var b strings.Builder
	b.WriteString(visible(message))
	for _, f := range all {
		fmt.Fprintf(&b, " %s=%s", quote(f.key), quote(f.value))
	}
	return b.String()
}

// quote puts quotes around a text that would not read as one word.
func quote(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ' ' || r == '"' || r == '=' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	})
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// visible escapes characters that are not printable; it leaves other text unchanged.
func visible(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// fields returns the attributes under names that the journal takes: the library of the
// journal sends a bad name too, even with line breaks, and only prints a warning.
// `journalctl -t flowkeeper` finds all entries by SYSLOG_IDENTIFIER.
func fields(all []field) map[string]string {
	out := make(map[string]string, len(all)+1)
	out["SYSLOG_IDENTIFIER"] = "flowkeeper"
	for _, f := range all {
		name := fieldPrefix + strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z':
				return r - 'a' + 'A'
			case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
				return r
			}
			return '_'
		}, f.key)
		out[name[:min(len(name), maxName)]] = visible(f.value)
	}
	return out
}

// priority is syslog's number for a level.
func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
