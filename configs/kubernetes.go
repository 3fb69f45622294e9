package configs

import (
	"net"
	"regexp"
	"strconv"
)

// Kubernetes gives a container variables for each Service of its namespace, named
// after the Service: one that is called flowkeeper-http brings
// FLOWKEEPER_HTTP_SERVICE_HOST, _SERVICE_PORT, _SERVICE_PORT_NAME, _PORT, and
// _PORT_9090_TCP with _PROTO, _PORT and _ADDR. Their values tell them from our
// own, mistyped: a host is an address, a port a number or tcp://….
var (
	serviceHost  = regexp.MustCompile(`_SERVICE_HOST$`)
	servicePort  = regexp.MustCompile(`_SERVICE_PORT(_[A-Z0-9_]+)?$`)
	serviceURL   = regexp.MustCompile(`_PORT(_\d+_(TCP|UDP|SCTP))?$`)
	serviceProto = regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)_PROTO$`)
	serviceNum   = regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)_PORT$`)
	serviceAddr  = regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)_ADDR$`)
	addressOfURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)
	protocol     = regexp.MustCompile(`^(tcp|udp|sctp)$`)
)

// ofKubernetes reports a variable that Kubernetes makes for a Service.
func ofKubernetes(name, value string) bool {
	switch {
	case serviceHost.MatchString(name), serviceAddr.MatchString(name):
		return net.ParseIP(value) != nil
	case servicePort.MatchString(name), serviceNum.MatchString(name):
		_, err := strconv.ParseUint(value, 10, 16)
		return err == nil
	case serviceURL.MatchString(name):
		return addressOfURL.MatchString(value)
	case serviceProto.MatchString(name):
		return protocol.MatchString(value)
	}
	return false
}
