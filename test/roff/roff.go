package roff

import (
	"fmt"
	"strings"
)

// Page is one manual page.
type Page struct {
	b     strings.Builder
	begun bool // there is text below the last heading
}

// New begins a page. The page has no date and no version, so that its file changes only if its text does.
func New(name string, section int, short, source string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.b, ".\\\" Written by %s: don't edit.\n", source)
	fmt.Fprintf(&p.b, ".TH %s %d \"\" \"\" Flowkeeper\n", escape(strings.ToUpper(name)), section)
	p.Section("NAME")
	fmt.Fprintf(&p.b, "%s \\- %s\n", escape(name), escape(short))
	return p
}

// String is the page so far.
func (p *Page) String() string { return p.b.String() }

// Section begins a section.
func (p *Page) Section(title string) { p.heading(".SH", strings.ToUpper(title)) }

// Subsection begins a part of a section.
func (p *Page) Subsection(title string) { p.heading(".SS", title) }

func (p *Page) heading(request, title string) {
	p.b.WriteString(request + " " + escape(title) + "\n")
	p.begun = false
}

// Words writes a paragraph.
func (p *Page) Words(text string) {
	p.paragraph()
	p.b.WriteString(filled(text) + "\n")
}

// paragraph begins a paragraph. Below a heading roff has begun one already.
func (p *Page) paragraph() {
	if p.begun {
		p.b.WriteString(".PP\n")
	}
	p.begun = true
}

// Term writes a term and, indented below it, its meaning.
func (p *Page) Term(term, text string) {
	p.b.WriteString(".TP\n" + bold(term) + "\n" + filled(text) + "\n")
	p.begun = true
}

// Verbatim writes lines unchanged.
func (p *Page) Verbatim(lines ...string) {
	p.paragraph()
	p.b.WriteString(".RS 4\n.EX\n")
	for _, line := range lines {
		p.b.WriteString(escape(line) + "\n")
	}
	p.b.WriteString(".EE\n.RE\n")
}

// SeeAlso ends the page with references to other pages, such as flowkeeper(1).
func (p *Page) SeeAlso(pages ...string) {
	p.Section("see also")
	for n, page := range pages {
		name, section, _ := strings.Cut(page, "(")
		end := ","
		if n == len(pages)-1 {
			end = ""
		}
		fmt.Fprintf(&p.b, ".BR %s (%s%s\n", escape(name), section, end)
	}
}

// filled breaks a paragraph into short lines, so that a diff is readable.
func filled(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(bold(text)) {
		switch {
		case column == 0:
		case column+1+len(word) > 80:
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		if column == 0 && strings.HasPrefix(word, ".") { // roff would take it for a request
			word = `\&` + word
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func bold(text string) string {
	out := strings.Split(text, "`")
	for i := range out {
		out[i] = escape(out[i])
		if i%2 == 1 {
			out[i] = `\fB` + out[i] + `\fR`
		}
	}
	return strings.Join(out, "")
}

// escape lets roff print a line unchanged.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "…", "...").Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
