package sink

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"flowkeeper/alert"
)

// Slack posts alerts to an incoming webhook. Foreign text is only in elements in which Slack
// does not parse markup, so that it can neither mention people nor contain links (I12).
type Slack struct {
	httpClient
	url string // secret: whoever knows it can post
}

// NewSlack returns the Slack sink called name, which posts to the incoming webhook at
// target. The caller has checked the URL, as configs.Load does.
func NewSlack(name, target, version string) *Slack {
	return &Slack{httpClient: newHTTPClient(label("slack "+name), version), url: target}
}

// Send posts the alert. If Slack refuses it as invalid or too large, Send posts its title
// alone at once.
func (s *Slack) Send(ctx context.Context, a alert.Alert) error {
	message := slackPayload(a)
	return s.sendWhole(ctx, message, func() any { return titleAlone(message, a) }, s.postMessage)
}

// postMessage posts one message. Slack answers with one word
// (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). With any other word
// than ok, a 2xx still means that the receiver has acted on the message: for example, that
// a workflow was started.
func (s *Slack) postMessage(ctx context.Context, body []byte) error {
	reply, err := s.request(ctx, http.MethodPost, s.url, body, nil)
	code := strings.TrimSpace(string(reply.body))
	switch {
	case err != nil:
		return err
	case reply.status == 200 && code == "ok":
		return nil
	case isSuccess(reply.status):
		return s.unexpected("did not answer ok: is its url that of a Slack incoming webhook?")
	}
	advice, known := slackAdvice[code]
	if known {
		advice = code + ": " + advice
	}
	e := s.judge(reply, cmp.Or(advice, "check its url, and the app's page at Slack"))
	if known && !e.Refused {
		e.Cause += ": " + advice
	}
	return e
}

// slackAdvice says what to do about Slack's answers. No other text of an answer is repeated,
// because it might contain the URL.
var slackAdvice = map[string]string{
	"invalid_payload":                   "Slack does not take the message; please report it",
	"invalid_blocks":                    "Slack does not take the message; please report it",
	"invalid_attachments":               "Slack does not take the message; please report it",
	"too_many_attachments":              "Slack does not take the message; please report it",
	"no_text":                           "Slack does not take the message; please report it",
	"invalid_token":                     "the webhook's url is not valid any more, create a new one",
	"action_prohibited":                 "an administrator of the workspace has restricted this, ask them",
	"posting_to_general_channel_denied": "choose another channel, or ask an administrator of the workspace",
	"user_not_found":                    "the user that it posts to does not exist any more, create a new webhook",
	"channel_not_found":                 "its channel does not exist any more, create a new webhook",
	"channel_is_archived":               "restore the channel, or create a new webhook",
	"no_service":                        "the webhook was removed or disabled, create a new one",
	"no_service_id":                     "the url is not complete, copy it again",
	"no_active_hooks":                   "the webhook was disabled, create a new one",
	"no_team":                           "no workspace has this url, copy it again",
	"team_disabled":                     "the workspace is disabled",
	"rate_limited":                      "Slack limits the rate, no action is needed",
	"rollup_error":                      "Slack failed",
}
