package cloudtrail

import "bytes"

// Wanted reports whether a record may name a watched call. It searches the event's name
// without parsing the record, and returns true if it can't find the name that way.
func Wanted(raw []byte) bool {
	rest, named := raw, false
	for {
		n := bytes.Index(rest, eventNameKey)
		if n < 0 {
			// JSON may write any letter as \u00XX
			return !named || bytes.Contains(raw, escapedLetter)
		}
		rest = rest[n+len(eventNameKey):]
		name, ok := textAfterColon(rest)
		if !ok || wanted[string(name)] { // no allocation: the compiler knows this form
			return true
		}
		named = true
	}
}

var (
	eventNameKey  = []byte(`"eventName"`)
	escapedLetter = []byte(`\u00`)
)

// wanted are the names of the events that are read.
var wanted = func() map[string]bool {
	out := map[string]bool{DeleteFlowLogs: true, CreateFlowLogs: true, DeleteVPC: true}
	for name := range tampers {
		out[name] = true
	}
	return out
}()

// textAfterColon returns the text that follows a key; false: none does.
func textAfterColon(b []byte) ([]byte, bool) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != ':' {
		return nil, false
	}
	b = bytes.TrimLeft(b[1:], " \t\r\n")
	if len(b) == 0 || b[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 {
		return nil, false
	}
	return b[1 : 1+end], true
}
