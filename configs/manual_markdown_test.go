package configs

import (
	"fmt"
	"regexp"
	"strings"
)

// markdown returns the text of docs/configuration.md.
func (m manual) markdown() string {
	w := &markdown{known: m.known()}
	w.line("# Configuration")
	w.line("<!-- Written by go test ./configs -run Manual -update, from the comments in configs/flowkeeper.yaml. -->")
	w.parts(m.head)
	w.line(wrap("The file is `/etc/flowkeeper/flowkeeper.yaml`, or the one that `--config` names. "+
		"[configs/flowkeeper.yaml](../configs/flowkeeper.yaml) is all of it, with the same explanations, and so is `man flowkeeper.yaml`.", 118, ""))
	w.table(m)
	for _, s := range m.sections {
		w.line("## " + s.key)
		w.parts(s.comment)
		if s.value != "" {
			w.line(facts(s))
		}
		for _, e := range s.keys {
			w.line("### " + e.key)
			w.parts(e.comment)
			w.line(facts(e))
		}
	}
	return strings.TrimSuffix(w.String(), "\n")
}

// known has all keys, each with the anchor of its explanation.
func (m manual) known() map[string]string {
	out := map[string]string{}
	for _, s := range m.sections {
		for _, e := range s.keys {
			out[e.key] = "#" + strings.ReplaceAll(e.key, ".", "")
		}
	}
	return out
}

// facts returns the line about the default, the type and the variable of a key.
func facts(e entry) string {
	text := fmt.Sprintf("Default: `%s` (%s)", e.value, e.what)
	if e.env != "" {
		text += ". Variable: `" + e.env + "`"
	}
	return text + "."
}

type markdown struct {
	strings.Builder
	known map[string]string
}

// line writes a block, and an empty line after it.
func (w *markdown) line(s string) { w.WriteString(s + "\n\n") }

func (w *markdown) table(m manual) {
	w.WriteString("| key | default | variable |\n| --- | --- | --- |\n")
	for _, s := range m.sections {
		keys := s.keys
		if s.value != "" {
			keys = []entry{s}
		}
		for _, e := range keys {
			env := "in the file only"
			if e.env != "" {
				env = "`" + e.env + "`"
			}
			fmt.Fprintf(w, "| [`%s`](#%s) | `%s` | %s |\n", e.key, strings.ReplaceAll(e.key, ".", ""), e.value, env)
		}
	}
	w.WriteString("\n")
}

func (w *markdown) parts(all []part) {
	for _, p := range all {
		switch p.kind {
		case words:
			w.line(wrap(w.text(p.lines[0]), 118, ""))
		case terms:
			for i := 0; i < len(p.lines); i += 2 {
				w.WriteString("- " + wrap("`"+p.lines[i]+"`: "+w.text(p.lines[i+1]), 116, "  ") + "\n")
			}
			w.WriteString("\n")
		case verbatim:
			language := ""
			if strings.HasSuffix(p.lines[0], ":") {
				language = "yaml"
			}
			w.line("```" + language + "\n" + strings.Join(p.lines, "\n") + "\n```")
		}
	}
}

var (
	dotted  = regexp.MustCompile(`\b[a-z]+\.[a-z_]+\b`)
	special = regexp.MustCompile(`[*<\[\]\\]|(^| )-( |$)`)
)

// text escapes characters that mean something in Markdown, and makes keys links to their explanations.
func (w *markdown) text(s string) string {
	out := strings.Split(s, "`")
	for i := range out {
		if i%2 == 1 {
			out[i] = "`" + out[i] + "`"
			continue
		}
		out[i] = special.ReplaceAllStringFunc(out[i], func(c string) string {
			lead := strings.TrimLeft(c, " ")
			return c[:len(c)-len(lead)] + `\` + lead
		})
		out[i] = dotted.ReplaceAllStringFunc(out[i], func(key string) string {
			if to, ok := w.known[key]; ok {
				return "[`" + key + "`](" + to + ")"
			}
			return key
		})
	}
	return strings.Join(out, "")
}

// wrap breaks lines that would be longer than width, and indents those after
// the first.
func wrap(s string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
