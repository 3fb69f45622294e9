package sink

import (
	"cmp"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"flowkeeper/alert"
)

const (
	// slackHeader is the limit of a header block, in characters
	// (docs.slack.dev/reference/block-kit/blocks/header-block).
	slackHeader = 150
	// slackAnswer and slackLine, in characters, keep a message short enough for a phone.
	// With slackListed lines it is far below Slack's limits: 50 blocks in a message, 3000
	// characters in a text.
	slackAnswer = 300
	slackLine   = 250
	// slackListed limits how many flow logs a message lists.
	slackListed = 5
)

// slackMessage is a message to an incoming webhook. If Mrkdwn is false, Slack shows the text
// as it is.
type slackMessage struct {
	slack.WebhookMessage
	Mrkdwn bool `json:"mrkdwn"`
}

// slackPayload is the alert as a message. The title is in a block of its own. A notification
// shows Text instead of the blocks.
func slackPayload(a alert.Alert) slackMessage {
	fallback, quiet := slackInert("["+string(a.Level)+"] "+a.Title), false
	return slackMessage{WebhookMessage: slack.WebhookMessage{
		Text:   fallback,
		Blocks: &slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(slackPlain(alert.Clean(a.Title, slackHeader)))}},
		Attachments: []slack.Attachment{{
			Color: cmp.Or(slackColors[a.Level], "#80868b"), Fallback: fallback,
			Blocks: slack.Blocks{BlockSet: slackBlocks(a)},
		}},
		UnfurlLinks: &quiet, UnfurlMedia: &quiet, // Slack must not fetch URLs in text from outside
	}}
}

// titleAlone is the compact form of a message.
func titleAlone(m slackMessage, a alert.Alert) slackMessage {
	m.Blocks, m.Attachments = nil, nil
	m.Text += slackInert(" · " + slackFoot(a))
	return m
}

func slackBlocks(a alert.Alert) []slack.Block {
	todo := alert.Clean(a.Words().ToDo(), slackAnswer)
	out := slackFacts(a.Words().Facts(slackAnswer))
	out = append(out, slackList(a.Words().Heading(), a, a.FlowLogs, todo)...)
	out = append(out, slackList("Refused", a, a.FailedFlowLogs, todo)...)
	out = append(out, slackFacts([]alert.Fact{{Question: "Flowkeeper", Answer: alert.Clean(a.Words().Doing(), slackAnswer)}, {Question: "To do", Answer: todo}})...)
	return append(out, slack.NewContextBlock("", slackPlain(alert.Clean(slackFoot(a), 2*slackAnswer))))
}

// slackFoot has the IDs and the command by which people find the alert.
func slackFoot(a alert.Alert) string {
	s := string(a.Level) + " · " + a.ID
	if a.EventID != "" {
		s += " · event " + alert.Clean(a.EventID, 80)
	}
	if a.Rule != nil {
		s += " · rule " + alert.Clean(a.Rule.Title, 120)
	}
	return s + " · " + a.Words().Command()
}

// slackFacts has a line for each fact with an answer, the question in bold.
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

// slackList lists the first flow logs, and counts them if there are more. A flow log's own
// advice is in its line, unless it is that of the whole message.
func slackList(heading string, a alert.Alert, logs []alert.FlowLog, todo string) []slack.Block {
	if len(logs) == 0 {
		return nil
	}
	if len(logs) > slackListed {
		heading += " (" + alert.Tally(logs) + ")" // the command in the foot shows all
	}
	logs = slices.Clone(logs)
	for n, f := range logs {
		if alert.Clean(f.Advice, slackAnswer) == todo {
			logs[n].Advice = ""
		}
	}
	list := slack.NewRichTextList(slack.RTEListBullet, 0)
	for _, line := range a.Words().Lines(logs, slackListed, slackLine) {
		list.Elements = append(list.Elements, slack.NewRichTextSection(slack.NewRichTextSectionTextElement(line, nil)))
	}
	return []slack.Block{slack.NewRichTextBlock("", slack.NewRichTextSection(slackBold(heading)), list)}
}

func slackBold(s string) *slack.RichTextSectionTextElement {
	return slack.NewRichTextSectionTextElement(s, &slack.RichTextSectionTextStyle{Bold: true})
}

// slackPlain is a text in which Slack parses neither markup nor :emoji:.
func slackPlain(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

// slackInert makes a text safe in fields in which Slack parses markup. It escapes the three
// characters of mentions and links, and changes URLs so that Slack does not turn them into links.
func slackInert(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "://", "[:]//").Replace(s)
}

// slackColors are the colors of the bar at the side of a message; for other levels it is gray.
var slackColors = map[alert.Level]string{
	alert.Critical: "#8b0000", alert.High: "#d93025", alert.Medium: "#f29900", alert.Low: "#1a73e8",
}
