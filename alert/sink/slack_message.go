package sink

import (
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"flowkeeper/alert"
)

const (
	// slackHeader is what a header block holds, in characters
	// (docs.slack.dev/reference/block-kit/blocks/header-block).
	slackHeader = 150
	// slackAnswer and slackLine keep a message short enough for a phone. With
	// slackListed lines it stays far below every limit of Slack's: 50 blocks a
	// message, 3000 characters a text.
	slackAnswer = 300
	slackLine   = 250
	// slackListed bounds how many flow logs a message names.
	slackListed = 5
)

// slackMessage is an incoming webhook's message. Mrkdwn false: the text is
// shown as it is.
type slackMessage struct {
	slack.WebhookMessage
	Mrkdwn bool `json:"mrkdwn"`
}

// slackPayload is the alert as a message. The title is in a block of its own;
// Text is what a notification shows instead of the blocks.
func slackPayload(a alert.Alert) slackMessage {
	fallback, quiet := slackInert("["+string(a.Level)+"] "+a.Title), false
	return slackMessage{WebhookMessage: slack.WebhookMessage{
		Text:   fallback,
		Blocks: &slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(slackPlain(alert.Clean(a.Title, slackHeader)))}},
		Attachments: []slack.Attachment{{
			Color: slackColor(a.Level), Fallback: fallback,
			Blocks: slack.Blocks{BlockSet: slackBlocks(a)},
		}},
		UnfurlLinks: &quiet, UnfurlMedia: &quiet, // Slack is to fetch nothing that a foreign text names
	}}
}

// titleAlone is a message that Slack hardly finds fault with.
func titleAlone(m slackMessage, a alert.Alert) slackMessage {
	m.Blocks, m.Attachments = nil, nil
	m.Text += slackInert(" · " + slackFoot(a))
	return m
}

func slackBlocks(a alert.Alert) []slack.Block {
	todo := alert.Clean(a.ToDo(), slackAnswer)
	out := slackFacts(a.Facts(slackAnswer))
	out = append(out, slackList(a.Heading(), a, a.FlowLogs, todo)...)
	out = append(out, slackList("Refused", a, a.FailedFlowLogs, todo)...)
	out = append(out, slackFacts([]alert.Fact{{Question: "Flowkeeper", Answer: alert.Clean(a.Doing(), slackAnswer)}, {Question: "To do", Answer: todo}})...)
	return append(out, slack.NewContextBlock("", slackPlain(alert.Clean(slackFoot(a), 2*slackAnswer))))
}

// slackFoot is what one looks the alert up by.
func slackFoot(a alert.Alert) string {
	s := string(a.Level) + " · " + a.ID
	if a.EventID != "" {
		s += " · event " + alert.Clean(a.EventID, 80)
	}
	if a.Rule != nil {
		s += " · rule " + alert.Clean(a.Rule.Title, 120)
	}
	return s + " · " + a.Command()
}

// slackFacts is a line for each fact that has an answer, its question in bold.
func slackFacts(facts []alert.Fact) []slack.Block {
	s := slack.NewRichTextSection()
	for _, f := range facts {
		if f.Answer == "" {
			continue
		}
		if len(s.Elements) > 0 {
			f.Question = "\n" + f.Question
		}
		s.Elements = append(s.Elements, slackBold(f.Question+": "), slack.NewRichTextSectionTextElement(f.Answer, nil))
	}
	if len(s.Elements) == 0 {
		return nil
	}
	return []slack.Block{slack.NewRichTextBlock("", s)}
}

// slackList names the first flow logs, and counts them where there are more.
// What there is to do of its own for one is said with it.
func slackList(heading string, a alert.Alert, logs []alert.FlowLog, todo string) []slack.Block {
	if len(logs) == 0 {
		return nil
	}
	if len(logs) > slackListed {
		heading += " (" + alert.Tally(logs) + ")" // the foot says how to see all
	}
	logs = slices.Clone(logs)
	for n, f := range logs {
		if alert.Clean(f.Advice, slackAnswer) == todo {
			logs[n].Advice = ""
		}
	}
	list := slack.NewRichTextList(slack.RTEListBullet, 0)
	for _, line := range a.Lines(logs, slackListed, slackLine) {
		list.Elements = append(list.Elements, slack.NewRichTextSection(slack.NewRichTextSectionTextElement(line, nil)))
	}
	return []slack.Block{slack.NewRichTextBlock("", slack.NewRichTextSection(slackBold(heading)), list)}
}

func slackBold(s string) *slack.RichTextSectionTextElement {
	return slack.NewRichTextSectionTextElement(s, &slack.RichTextSectionTextStyle{Bold: true})
}

// slackPlain is a text without markup, and without :emoji:.
func slackPlain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// slackInert makes a text safe where Slack looks for markup: the three
// characters of its mentions and links are escaped, and no URL is left to be
// made a link.
func slackInert(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "://", "[:]//").Replace(s)
}

// slackColor is the stripe beside the message.
func slackColor(l alert.Level) string {
	switch l {
	case alert.Critical:
		return "#8b0000"
	case alert.High:
		return "#d93025"
	case alert.Medium:
		return "#f29900"
	case alert.Low:
		return "#1a73e8"
	}
	return "#80868b"
}
