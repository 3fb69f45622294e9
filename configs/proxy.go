package configs

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Proxies checks the variables that name a proxy: HTTPS_PROXY and HTTP_PROXY, in upper or lower
// case. Go ignores a malformed one, and connects without the proxy. The error is *Problems; it
// does not show the values, because they may hold a password (I11).
func Proxies(environ []string) error {
	if problems := Problems(proxyProblems(environment(environ))); len(problems) > 0 {
		return &problems
	}
	return nil
}

// firstSet is the first of these variables that is not empty: the one that Go's client takes.
func firstSet(env map[string]string, names ...string) (name, value string) {
	for _, name := range names {
		if value := env[name]; value != "" {
			return name, value
		}
	}
	return "", ""
}

func proxyProblems(env map[string]string) (out []Problem) {
	for _, names := range [][]string{{"HTTPS_PROXY", "https_proxy"}, {"HTTP_PROXY", "http_proxy"}} {
		name, value := firstSet(env, names...)
		if fix := proxyFix(value); value != "" && fix != "" {
			out = append(out, Problem{File: "environment", Key: name, Message: fix + ", or unset it: as it is, no proxy would be used"})
		}
	}
	return out
}

const (
	asProxy = ": write http://HOST:PORT"
	escapes = "can't be read as a URL" + asProxy + ", special characters of a user name or password as % and their code (@ %40, : %3A, / %2F, # %23, ? %3F, % %25)"
)

// proxyFix says what is wrong with the URL of a proxy, and shows nothing of the URL.
// Empty: nothing is wrong. A URL without a scheme is right, too.
func proxyFix(s string) string {
	if textFix(s) != "" || strings.Contains(s, " ") {
		return "holds a space, a line break or what is no text" + asProxy
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Fragment != "", u.RawQuery != "", u.ForceQuery, strings.Contains(u.Path, "@"):
		return escapes
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
		return "has a scheme that is none of http, https, socks5 and socks5h" + asProxy
	case u.Hostname() == "" || strings.HasPrefix(u.Path, "//") || !isHost(u.Hostname()):
		return "names no host" + asProxy
	case strings.HasSuffix(u.Host, ":"), u.Port() != "" && !isProxyPort(u.Port()):
		return "has a port that is no number from 1 to 65535" + asProxy
	}
	return ""
}

func isProxyPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

var hostName = regexp.MustCompile(`^[\p{L}\d_-]+(\.[\p{L}\d_-]+)*\.?$`)

// isHost reports whether s is a host's name or its IP address.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || hostName.MatchString(s)
}

// maxNoProxy is how many entries of NO_PROXY are warned of.
const maxNoProxy = 5

// noProxyWarnings warns of entries of NO_PROXY that match no host, so that the proxy is used all the same.
func noProxyWarnings(env map[string]string) (out []Warning) {
	name, value := firstSet(env, "NO_PROXY", "no_proxy")
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		fix := noProxyFix(strings.ToLower(entry))
		if fix == "" {
			continue
		}
		if len(out) == maxNoProxy {
			return append(out, warning("%s has more that fits no host", name))
		}
		if strings.Contains(entry, "@") || looksSecret(entry) {
			entry = hidden
		}
		out = append(out, warning("%s: %q fits no host, so that the proxy is used: %s", name, shorten(entry), fix))
	}
	return out
}

var partOfAddress = regexp.MustCompile(`^\d+(\.\d+){0,2}\.?(\*|x)?$`)

// noProxyFix says what is wrong with an entry. It is empty for an entry that Go's client
// understands: *, a network, an address or a name. An address or a name may have a port, and
// a name may begin with . or *.
func noProxyFix(s string) string {
	host, port, noPort := net.SplitHostPort(s)
	if noPort != nil {
		host = s
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(host, "*"), ".")
	_, _, notNetwork := net.ParseCIDR(s)
	_, notAddress := netip.ParseAddr(host)
	switch {
	case s == "", s == "*", notNetwork == nil:
		return ""
	case strings.Contains(s, "://"):
		return "write the host alone"
	case strings.ContainsAny(s, " \t;|"):
		return "put commas between entries"
	case strings.Contains(s, "/"):
		return "write a network such as 10.0.0.0/8"
	case noPort == nil && !isProxyPort(port):
		return "its port is no number"
	case notAddress == nil:
		return ""
	case strings.HasPrefix(host, "["):
		return "write an IPv6 address without [ ]"
	case partOfAddress.MatchString(host) || partOfAddress.MatchString(strings.ReplaceAll(host, ".*", "")):
		return "write a network such as 10.0.0.0/8"
	case strings.HasPrefix(host, "*") && !strings.HasPrefix(host, "*."), strings.Contains(bare, "*"):
		return "a * stands only alone or before a dot: *.example.com"
	case !hostName.MatchString(bare):
		return "write a host's name, an address, or a network such as 10.0.0.0/8"
	}
	return ""
}
