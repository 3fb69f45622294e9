package sink

import (
	"cmp"
	"context"
	"fmt"
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

// Slack posts alerts to an incoming webhook. Whatever is foreign stands in
// elements in which Slack looks for no markup: it can mention nobody and link
// to nothing (I12).
type Slack struct {
	httpClient
	url string // secret: who has it can post
}

// NewSlack returns the Slack sink called name, which posts to the incoming webhook at
// target. The caller has checked the URL, as configs.Load does.
func NewSlack(name, target, version string) *Slack {
	return &Slack{httpClient: newHTTPClient(label("slack "+name), version), url: target}
}

// Send posts the alert. Where Slack finds fault with it, its title alone follows
// at once.
func (s *Slack) Send(ctx context.Context, a alert.Alert) error {
	message := slackPayload(a)
	return s.sendWhole(ctx, message, func() any { return titleAlone(message, a) }, s.postMessage)
}

// postMessage posts one message. Slack says in one word how it went
// (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). Whatever the
// word, a 2xx means that something has happened on the other side: a workflow, for
// one, was started.
func (s *Slack) postMessage(ctx context.Context, body []byte) error {
	reply, err := s.post(ctx, s.url, body, nil)
	code := strings.TrimSpace(string(reply.body))
	switch {
	case err != nil:
		return err
	case reply.status == 200 && code == "ok":
		return nil
	case reply.success():
		return s.odd("did not answer ok: is its url that of a Slack incoming webhook?")
	}
	advice, known := slackAdvice[code]
	e := s.judge(reply, cmp.Or(advice, "check its url, and the app's page at Slack"))
	if known && !e.Refused {
		e.Cause += ": " + advice
	}
	return e
}

// slackAdvice is what to do about Slack's answers. Nothing else that it
// answers is repeated: who answers may echo the URL.
var slackAdvice = map[string]string{
	"invalid_payload":                   "invalid_payload: Slack does not take the message; please report it",
	"invalid_blocks":                    "invalid_blocks: Slack does not take the message; please report it",
	"invalid_attachments":               "invalid_attachments: Slack does not take the message; please report it",
	"too_many_attachments":              "too_many_attachments: Slack does not take the message; please report it",
	"no_text":                           "no_text: Slack does not take the message; please report it",
	"invalid_token":                     "invalid_token: the webhook's url is not valid any more, make a new one",
	"action_prohibited":                 "action_prohibited: an administrator of the workspace has restricted this, ask them",
	"posting_to_general_channel_denied": "posting_to_general_channel_denied: choose another channel, or ask an administrator of the workspace",
	"user_not_found":                    "user_not_found: whom it posts to is gone, make a new webhook",
	"channel_not_found":                 "channel_not_found: its channel is gone, make a new webhook",
	"channel_is_archived":               "channel_is_archived: restore the channel, or make a new webhook",
	"no_service":                        "no_service: the webhook was removed or disabled, make a new one",
	"no_service_id":                     "no_service_id: the url is not whole, copy it again",
	"no_active_hooks":                   "no_active_hooks: the webhook was disabled, make a new one",
	"no_team":                           "no_team: the url is of no workspace, copy it again",
	"team_disabled":                     "team_disabled: the workspace is disabled",
	"rate_limited":                      "rate_limited: it will pass",
	"rollup_error":                      "rollup_error: Slack failed",
}

// slackMessage is an incoming webhook's message. Mrkdwn false: the text is
// shown as it is.
type slackMessage struct {
	slack.WebhookMessage
	Mrkdwn bool `json:"mrkdwn"`
}

// slackPayload is the alert as a message. The title is in a block of its own;
// Text is what a notification shows instead of the blocks.
func slackPayload(a alert.Alert) slackMessage {
	title, quiet := cmp.Or(a.Title, string(a.Kind)), false
	fallback := slackInert("[" + string(a.Level) + "] " + alert.Clean(title, alert.MaxTitle))
	return slackMessage{WebhookMessage: slack.WebhookMessage{
		Text:   fallback,
		Blocks: &slack.Blocks{BlockSet: []slack.Block{slack.NewHeaderBlock(slackPlain(alert.Clean(title, slackHeader)))}},
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
	w := a.Words()
	todo := alert.Clean(w.ToDo(), slackAnswer)
	out := slackFacts(w.Facts(slackAnswer))
	out = append(out, slackList(w.Heading(), a, a.FlowLogs, todo)...)
	out = append(out, slackList("Refused", a, a.FailedFlowLogs, todo)...)
	out = append(out, slackFacts([]alert.Fact{{Question: "Flowkeeper", Answer: alert.Clean(w.Doing(), slackAnswer)}, {Question: "To do", Answer: todo}})...)
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
	return s + " · " + a.Words().Command()
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
	list := slack.NewRichTextList(slack.RTEListBullet, 0)
	add := func(s string) {
		list.Elements = append(list.Elements, slack.NewRichTextSection(slack.NewRichTextSectionTextElement(s, nil)))
	}
	for _, f := range logs[:min(len(logs), slackListed)] {
		if alert.Clean(f.Advice, slackAnswer) == todo {
			f.Advice = ""
		}
		add(alert.Clean(cmp.Or(f.Line(a), "unknown"), slackLine))
	}
	if more := len(logs) - slackListed; more > 0 {
		heading += " (" + alert.Tally(logs) + ")"
		add(fmt.Sprintf("and %d more", more)) // the foot says how to see them
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
