package configs

import (
	"fmt"
	"maps"
	"path/filepath"
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
	switch h := &c.Heartbeat; {
	case h.URLFile == "":
	case h.URL != "":
		l.problem("heartbeat.url_file", h.URLFile, "give url or url_file, not both")
	default:
		l.fromFile("heartbeat.url", &h.URL, &h.URLFile)
	}
}

// readSecret reads one. What is wrong with the file's content is told at
// x_file's line.
func (l *loader) readSecret(key string, value, file *string) {
	line, set := l.lines[key+"_file"]
	if !set {
		return
	}
	if _, both := l.lines[key]; both {
		x := key[strings.LastIndex(key, ".")+1:]
		l.problem(key+"_file", *file, "give %s or %s_file, not both", x, x)
		return
	}
	l.lines[key] = line
	l.fromFile(key, value, file)
}

// fromFile puts what a file holds into the value.
func (l *loader) fromFile(key string, value, file *string) {
	if l.leave && l.env["CREDENTIALS_DIRECTORY"] == "" && *file != "" && !filepath.IsAbs(*file) && l.pathFix(*file) == "" {
		l.left[key] = *file
		return
	}
	content, fix := l.secretIn(*file)
	if fix == "" {
		*value, *file = content, ""
		return
	}
	l.problem(key+"_file", *file, "%s", fix)
	l.told[l.file+"\x00"+key] = l.told[l.file+"\x00"+key+"_file"] // so it is not called missing too
}

// leftWarnings name the secrets that were left unread.
func (l *loader) leftWarnings() (out []Warning) {
	for _, key := range slices.Sorted(maps.Keys(l.left)) {
		out = append(out, warning("%s_file: %q is one of systemd's credentials, which only the service has, so it is not read here", key, shown(key+"_file", l.left[key])))
	}
	return out
}

// secretIn reads a secret's file. One line break at its end is the editor's.
func (l *loader) secretIn(name string) (content, fix string) {
	path, dir := name, l.env["CREDENTIALS_DIRECTORY"]
	switch {
	case name == "":
		return "", "write the name of the secret's file"
	case l.pathFix(name) != "":
		return "", l.pathFix(name)
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

// hidden stands where a secret was, or could have been (I11).
const hidden = "[secret]"

// maxShown is how much of a value is shown, in characters.
const maxShown = 100

// shown is the part of a value that a problem may show. In a sink that is only
// what can't be a secret; and a secret in the wrong place stays one.
func shown(key, text string) string {
	inSink := strings.HasPrefix(key, "alerts")
	if text != "" && (secretKey(key) || looksSecret(text) || inSink && mayBeToken(text)) {
		return hidden
	}
	return shorten(text)
}

// keyShown is the path of a key that is not ours.
func keyShown(at, word string) string {
	if looksSecret(word) || strings.Contains(word, "://") || strings.HasPrefix(at, "alerts") && mayBeToken(word) {
		word = hidden
	}
	return strings.TrimPrefix(at+"."+shorten(word), ".")
}

// secretKey reports whether nothing written at key is ever shown.
func secretKey(key string) bool {
	if !strings.HasPrefix(key, "alerts") {
		return key == "heartbeat.url"
	}
	name, _, _ := strings.Cut(key[strings.LastIndex(key, ".")+1:], "[")
	switch name {
	case "type", "name", "min_level", "kinds", "timeout", "topic_arn", "url_file", "secret_file", "routing_key_file":
		return false
	}
	return true
}

// looksSecret knows secrets by their form, wherever they are pasted.
func looksSecret(text string) bool {
	_, rest, isURL := strings.Cut(text, "://")
	return strings.Contains(text, "whsec_") || strings.Contains(text, "hooks.slack.com") || strings.Contains(text, "hooks.slack-gov.com") || isURL && strings.Contains(rest, "@")
}

// mayBeToken is for sinks: what may be shown of them is no URL, and has no long
// run of letters and digits.
func mayBeToken(text string) bool {
	run := 0
	for _, c := range text {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			run++
		} else {
			run = 0
		}
		if run >= 24 {
			return true
		}
	}
	return strings.Contains(text, "://")
}

func shorten(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown-1]) + "…"
}
