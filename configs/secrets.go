package configs

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxSecret = 64 << 10 // bytes of a secret's file

// readSecrets puts the contents of every x_file into x.
func (l *loader) readSecrets(c *Config) {
	for n := range c.Alerts {
		s, key := &c.Alerts[n], fmt.Sprintf("alerts[%d].", n)
		l.readSecret(key+"url", &s.URL, &s.URLFile)
		l.readSecret(key+"secret", &s.Secret, &s.SecretFile)
		l.readSecret(key+"routing_key", &s.RoutingKey, &s.RoutingKeyFile)
	}
	l.readSecret("heartbeat.url", &c.Heartbeat.URL, &c.Heartbeat.URLFile)
	l.readSecret("remediate.token_key", &c.Remediate.TokenKey, &c.Remediate.TokenKeyFile)
}

// readSecret puts what the file of x_file holds into x. A problem of it is reported at the
// line of x_file.
func (l *loader) readSecret(key string, value, file *string) {
	valueSet, fileSet := l.written(key), l.written(key+"_file")
	if !strings.HasPrefix(key, "alerts[") { // the file may have both keys without a value, and variables may set them
		valueSet, fileSet = *value != "", *file != ""
	}
	switch x := key[strings.LastIndex(key, ".")+1:]; {
	case !fileSet:
	case valueSet:
		l.problem(key+"_file", *file, "give %s or %s_file, not both", x, x)
	default:
		if l.written(key + "_file") {
			l.lines[key] = l.lines[key+"_file"]
		}
		l.fromFile(key, value, file)
	}
}

func (l *loader) fromFile(key string, value, file *string) {
	credential := *file != "" && !filepath.IsAbs(*file) && PathFix(*file, l.env["HOME"]) == ""
	if credential && l.leaveSecrets && l.env["CREDENTIALS_DIRECTORY"] == "" {
		l.unreadSecrets[key] = *file
		return
	}
	content, fix := l.secretIn(*file)
	if fix == "" {
		*value, *file = content, ""
		return
	}
	l.problem(key+"_file", *file, "%s", fix)
	at, _ := l.placeOf(key + "_file")
	l.reported[place{l.file, key}] = l.reported[place{at, key + "_file"}] // so that the secret is not reported as missing too
}

func (l *loader) secretWarnings() (out []Warning) {
	for _, key := range slices.Sorted(maps.Keys(l.unreadSecrets)) {
		out = append(out, warning("%s_file: %q is one of systemd's credentials, which only the service has, so it is not read here", key, shown(key+"_file", l.unreadSecrets[key])))
	}
	return out
}

// secretIn reads a secret's file, without the line break at its end. fix says what is wrong; empty: nothing.
func (l *loader) secretIn(name string) (content, fix string) {
	path, dir := name, l.env["CREDENTIALS_DIRECTORY"]
	fix = PathFix(name, l.env["HOME"])
	switch {
	case name == "":
		return "", "write the name of the secret's file"
	case fix != "":
		return "", fix
	case filepath.IsAbs(name):
	case dir == "":
		return "", "a relative name is one of systemd's credentials, and CREDENTIALS_DIRECTORY is not set: write an absolute path, or set it to the folder of these files (CREDENTIALS_DIRECTORY=/etc/flowkeeper)"
	case !filepath.IsLocal(name):
		return "", "write an absolute path: this one leads out of CREDENTIALS_DIRECTORY"
	default:
		path = filepath.Join(dir, name)
	}
	b, err := readBounded(path, maxSecret)
	if err != nil {
		return "", "can't be read (" + cause(err) + "): name a small file that this user may read"
	}
	content = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if content == "" {
		return "", "is empty: write the secret into it"
	}
	if textFix(content) != "" {
		return "", "must hold one line without spaces around it, and nothing else"
	}
	return content, ""
}

// PathFix says what to write instead of a path that begins with ~ or $, which a
// shell would have replaced; it is empty for every other path. home may be empty:
// it is not known.
func PathFix(path, home string) string {
	switch {
	case strings.HasPrefix(path, "~/") && strings.HasPrefix(home, "/"):
		return "~ is not replaced here: write " + strings.TrimSuffix(home, "/") + path[1:] + " (a file that is called so: ./~…)"
	case strings.HasPrefix(path, "~"):
		return "~ is not replaced here: write the whole path, from / on (a file that is called so: ./~…)"
	case strings.HasPrefix(path, "$"):
		return "variables are not replaced here: write the whole path, from / on (a file that is called so: ./$…)"
	}
	return ""
}

// hidden is shown in the place of what is or may be a secret (I11).
const hidden = "[secret]"

// maxShown is how much of a value problems show, in characters.
const maxShown = 100

// shown returns what a problem may show of a value: nothing of a secret, wherever it was
// written, and of a sink's values only what can't be a secret.
func shown(key, text string) string {
	mayBeSecret := secretKey(key) || looksSecret(text) || strings.HasPrefix(key, "alerts") && mayBeToken(text)
	if text != "" && mayBeSecret {
		return hidden
	}
	return shorten(text)
}

// keyShown returns what a problem may show of an unknown key.
func keyShown(at, word string) string {
	if looksSecret(word) || strings.Contains(word, "://") || strings.HasPrefix(at, "alerts") && mayBeToken(word) {
		word = hidden
	}
	return strings.TrimPrefix(at+"."+shorten(word), ".")
}

// secretKey reports whether nothing written at key is ever shown.
func secretKey(key string) bool {
	if !strings.HasPrefix(key, "alerts") {
		return key == "heartbeat.url" || key == "remediate.token_key"
	}
	name, _, _ := strings.Cut(key[strings.LastIndex(key, ".")+1:], "[")
	switch name {
	case "type", "name", "min_level", "kinds", "timeout", "topic_arn", "url_file", "secret_file", "routing_key_file":
		return false
	}
	return true
}

// secretText matches a URL with a user, a URL of Slack, and the secret of a webhook.
var secretText = regexp.MustCompile(`(?s)://.*@|hooks\.slack(-gov)?\.com|whsec_`)

func looksSecret(text string) bool { return secretText.MatchString(text) }

// tokenText matches what may be a sink's secret: a URL, or a long run of letters and digits.
var tokenText = regexp.MustCompile(`://|[0-9A-Za-z]{24}`)

func mayBeToken(text string) bool { return tokenText.MatchString(text) }

func shorten(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown-1]) + "…"
}
