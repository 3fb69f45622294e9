package configs

import (
	"fmt"
	"path/filepath"
	"strings"
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
}

func (l *loader) readSecret(key string, value, file *string) {
	if *file == "" {
		return
	}
	path := *file
	switch dir := l.env["CREDENTIALS_DIRECTORY"]; {
	case *value != "":
		l.problem(key+"_file", path, "give %s or %s_file, not both", key, key)
		return
	case filepath.IsAbs(path):
	case dir == "":
		l.problem(key+"_file", path, "write an absolute path: a relative one is looked up among systemd's credentials, and there are none")
		return
	default:
		path = filepath.Join(dir, path)
	}
	b, err := readBounded(path, maxSecret)
	if err != nil {
		l.problem(key+"_file", *file, "can't be read: %s", err)
		return
	}
	*value, *file = strings.TrimRight(string(b), "\r\n"), ""
	if *value == "" {
		l.problem(key+"_file", path, "is empty")
	}
}
