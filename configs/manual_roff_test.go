package configs

import (
	"strings"

	"flowkeeper/test/roff"
)

// roff returns the manual page flowkeeper.yaml(5).
func (m manual) roff() string {
	p := roff.New("flowkeeper.yaml", 5, "the configuration of flowkeeper(1)", "go test ./configs -run Manual -update, from the comments in configs/flowkeeper.yaml")
	known := m.known()
	p.Section("synopsis")
	p.Words("/etc/flowkeeper/flowkeeper.yaml")
	p.Section("description")
	roffParts(p, known, m.head)
	for _, s := range m.sections {
		p.Section(s.key)
		roffParts(p, known, s.comment)
		if s.value != "" {
			p.Words(facts(s))
		}
		for _, e := range s.keys {
			p.Subsection(e.key)
			roffParts(p, known, e.comment)
			p.Words(facts(e))
		}
	}
	p.Section("files")
	p.Term("`/etc/flowkeeper/flowkeeper.yaml`", "Where it is looked for; `--config` names another.")
	p.Term("`/var/lib/flowkeeper/state.db`", "What Flowkeeper remembers, unless `state.path` says otherwise.")
	p.SeeAlso("flowkeeper(1)", "flowkeeper-check(1)", "systemd.exec(5)")
	return p.String()
}

func roffParts(p *roff.Page, known map[string]string, all []part) {
	for _, c := range all {
		switch c.kind {
		case words:
			p.Words(boldKeys(known, c.lines[0]))
		case terms:
			for i := 0; i < len(c.lines); i += 2 {
				p.Term("`"+c.lines[i]+"`", boldKeys(known, c.lines[i+1]))
			}
		case verbatim:
			p.Verbatim(c.lines...)
		}
	}
}

// boldKeys puts backticks around keys that are not already between backticks.
func boldKeys(known map[string]string, s string) string {
	out := strings.Split(s, "`")
	for i := 0; i < len(out); i += 2 {
		out[i] = dotted.ReplaceAllStringFunc(out[i], func(key string) string {
			if _, ok := known[key]; ok {
				return "`" + key + "`"
			}
			return key
		})
	}
	return strings.Join(out, "`")
}
