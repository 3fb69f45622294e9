package cloudtrail

import "bytes"

// Wanted reports whether a record may name a watched call. It searches the event's name
// without parsing the record, and returns true if it can't find the name that way.
func Wanted(raw []byte) bool {
	named := false
	for at := 0; ; {
		n := bytes.IndexByte(raw[at:], 'N') // rare, so that this is faster than a search for the key
		if n < 0 {
			return !named || escapedLetter(raw)
		}
		n += at
		at = n + 1
		key := n - len(`"event`)
		if key < 0 || !bytes.HasPrefix(raw[key:], eventNameKey) {
			continue
		}
		name, ok := textAfterColon(raw[key+len(eventNameKey):])
		if !ok || wanted[string(name)] { // no allocation: the compiler knows this form
			return true
		}
		named = true
	}
}

var (
	eventNameKey = []byte(`"eventName"`)
	escape       = []byte(`\u00`)
)

// escapedLetter reports whether the text has an escaped letter: \u0041 to \u007a. Only other
// characters are often escaped: < > & = and quotes.
func escapedLetter(raw []byte) bool {
	for {
		n := bytes.Index(raw, escape)
		if n < 0 {
			return false
		}
		raw = raw[n+len(escape):]
		if len(raw) > 0 && raw[0] >= '4' && raw[0] <= '7' {
			return true
		}
	}
}

// wanted are the names of the events that are read.
var wanted = func() map[string]bool {
	out := map[string]bool{DeleteFlowLogs: true, CreateFlowLogs: true, DeleteVPC: true}
	for name := range tampers {
		out[name] = true
	}
	return out
}()

// textAfterColon returns the string value that follows a key; false: there is none.
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
