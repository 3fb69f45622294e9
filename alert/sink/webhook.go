package sink

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"flowkeeper/alert"
)

// maxBody limits what is posted, in bytes: many receivers accept no more.
const maxBody = 256 << 10

// Webhook posts alerts to a URL. The body is the alert's JSON; the headers are those of
// Standard Webhooks, with a signature if there is a secret.
type Webhook struct {
	httpClient
	url    string                    // secret: many URLs have a token in path or query
	signer *standardwebhooks.Webhook // nil: no signature
}

// NewWebhook returns the webhook sink called name, which posts to target. The secret is
// whsec_ and base64; with an empty one nothing is signed. The caller has checked both, as
// configs.Load does. NewWebhook fails if the secret can't be decoded; the error contains
// neither URL nor secret (I11).
func NewWebhook(name, target, secret, version string) (*Webhook, error) {
	w := &Webhook{httpClient: newHTTPClient(label("webhook "+name), version), url: target}
	if secret == "" {
		return w, nil
	}
	var err error
	if w.signer, err = standardwebhooks.NewWebhook(secret); err != nil {
		return nil, fmt.Errorf("%s: the secret is not base64 after whsec_: copy all of it", w)
	}
	return w, nil
}

// Send posts the alert. Any 2xx is success. If the receiver refuses it as invalid or too
// large, Send posts the compact form at once.
func (w *Webhook) Send(ctx context.Context, a alert.Alert) error {
	return w.sendWhole(ctx, a.Within(maxBody), func() any { return a.Compact() }, func(ctx context.Context, body []byte) error {
		header, err := w.sign(a.ID, body, time.Now())
		if err != nil {
			return err
		}
		reply, err := w.request(ctx, http.MethodPost, w.url, body, header)
		if err != nil || isSuccess(reply.status) {
			return err
		}
		return w.judge(reply, "check its url and secret, and the receiver's own log")
	})
}

// sign returns the headers of Standard Webhooks for a body.
func (w *Webhook) sign(id string, body []byte, now time.Time) (http.Header, error) {
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if w.signer == nil {
		return header, nil
	}
	signature, err := w.signer.Sign(id, now, body)
	if err != nil {
		return nil, w.failed("the alert cannot be signed: check the secret")
	}
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return header, nil
}
