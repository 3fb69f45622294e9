package configs

import (
	"net"
	"regexp"
)

// Kubernetes gives a container variables for each Service of its namespace, named
// after the Service: one that is called flowkeeper-http brings
// FLOWKEEPER_HTTP_SERVICE_HOST, _SERVICE_PORT, _SERVICE_PORT_NAME, _PORT, and
// _PORT_9090_TCP with _PROTO, _PORT and _ADDR. Their values tell them from our
// own, mistyped: a host is an address, a port a number or tcp://….
var variablesOfServices = []struct {
	name *regexp.Regexp // its end; the first that fits counts
	is   func(value string) bool
}{
	{regexp.MustCompile(`_(SERVICE_HOST|PORT_\d+_(TCP|UDP|SCTP)_ADDR)$`), func(s string) bool { return net.ParseIP(s) != nil }},
	{regexp.MustCompile(`_(SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)_PORT)$`), isPort},
	{regexp.MustCompile(`_PORT(_\d+_(TCP|UDP|SCTP))?$`), regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString},
	{regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)_PROTO$`), regexp.MustCompile(`^(tcp|udp|sctp)$`).MatchString},
}

// ofKubernetes reports a variable that Kubernetes makes for a Service.
func ofKubernetes(name, value string) bool {
	for _, v := range variablesOfServices {
		if v.name.MatchString(name) {
			return v.is(value)
		}
	}
	return false
}
