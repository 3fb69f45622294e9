package configs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/viper"
)

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Queue:        Queue{WaitTime: 20 * time.Second, VisibilityTimeout: time.Minute},
		Inventory:    Inventory{Schedule: "@every 5m", MaxConcurrent: 32, AlertRefresh: 30 * time.Second, Settle: 2 * time.Minute, Retention: 2160 * time.Hour},
		Organization: Organization{Schedule: "@every 1h"},
		LogFiles:     LogFiles{MaxBytes: 1 << 30},
		Remediate:    Remediate{Mode: "restore", OnDrift: "restore", DriftWait: 2 * time.Minute, VerifyAfter: 10 * time.Minute, MaxRestores: 5, RestoreInterval: 10 * time.Minute},
		Rehearsal:    Rehearsal{Schedule: "@every 1h"},
		State:        State{Path: "/var/lib/flowkeeper/state.db"},
		HTTP:         HTTP{Listen: "127.0.0.1:9469"},
		Heartbeat:    Heartbeat{Every: time.Minute},
		Log:          Log{Level: "info", Format: "auto"},
	}
}

// Options of Load.
type Options struct {
	Environ   []string // as os.Environ gives it
	NeedQueue bool     // queue.url must be set
	// LeaveSecrets leaves secrets unread that are among systemd's credentials, with a
	// warning for each, if CREDENTIALS_DIRECTORY is not set: only the service has them.
	LeaveSecrets bool
	// Proxies checks the variables that name a proxy too: the caller uses the network.
	Proxies bool
}

const maxFile = 1 << 20 // bytes

// Load reads a file, merges defaults, environment and secrets, and checks
// everything. With an empty name it reads no file. The error is *Problems: all of
// them at once, none with a secret in it (I11). Warnings come with a valid configuration.
func Load(file string, o Options) (Config, []Warning, error) {
	l := &loader{
		env: environment(o.Environ), values: map[string]any{}, override: map[string]any{}, leaveSecrets: o.LeaveSecrets,
		report: report{lines: map[string]int{}, variables: map[string]string{}, reported: map[place]int{}, unreadSecrets: map[string]string{}},
	}
	l.file = l.nameOf(file)
	if file != "" && !l.readFile(file) {
		return Config{}, nil, l.failed() // which keys the file lacks is unknown
	}
	l.checkEnvironment()
	c := l.merge()
	l.readSecrets(&c)
	l.fillSinks(&c)
	checks{&l.report, l.env["HOME"]}.all(c, o.NeedQueue)
	if o.Proxies {
		l.problems = append(l.problems, proxyProblems(l.env)...)
	}
	if len(l.problems) > 0 {
		return Config{}, nil, l.failed()
	}
	warnings := slices.Concat(c.warnings(), l.secretWarnings(), l.zoneWarnings(c.Inventory.Schedule, c.Rehearsal.Schedule))
	if o.Proxies {
		warnings = append(warnings, noProxyWarnings(l.env)...)
	}
	return c, warnings, nil
}

// loader is the state of one Load. It reads and merges values; checks has the rules for them.
type loader struct {
	report
	env          map[string]string
	values       map[string]any // what the file has, with its types checked
	override     map[string]any // what variables have, by key
	leaveSecrets bool           // as in Options
}

// nameOf returns the name of a file as problems show it. For one of systemd's credentials that is
// the base name: the path leads to systemd's copy, which nobody should edit.
func (l *loader) nameOf(path string) string {
	if dir := l.env["CREDENTIALS_DIRECTORY"]; dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
		return filepath.Base(path)
	}
	return path
}

// readFile reads the file, and reports whether it can be read and is YAML.
func (l *loader) readFile(file string) bool {
	text, err := readBounded(file, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.fileProblem(0, "", "no such file: write it (configs/flowkeeper.yaml is a commented example), or name another with --config")
	case err != nil:
		l.fileProblem(0, "", "can't be read ("+cause(err)+"): name a YAML file that this user may read")
	default:
		return l.walkFile(text)
	}
	return false
}

var errTooLarge = errors.New("too large")

func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err == nil && int64(len(b)) > most {
		err = errTooLarge
	}
	return b, err
}

// cause returns why a file can't be read, without the file's name, which may be a secret that
// was written in the wrong place.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// merge has viper put what the file and the environment set over the defaults. All values have
// their exact types by now, so that viper's conversions are switched off: it would take a number
// without a unit for nanoseconds, and a comma for a list.
func (l *loader) merge() Config {
	c, v := Default(), viper.New()
	err := v.MergeConfigMap(l.values)
	for key, value := range l.override {
		v.Set(key, value)
	}
	if err == nil {
		err = v.UnmarshalExact(&c, viper.DecodeHook(nil))
	}
	if err != nil { // its text may quote values, and so secrets
		l.fileProblem(0, "", "can't be understood: compare it with the commented example")
	}
	return c
}
