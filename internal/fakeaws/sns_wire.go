package fakeaws

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// snsError is a refusal on the wire.
type snsError struct {
	code    string
	message string
	status  int
}

func (e *snsError) Error() string { return e.code + ": " + e.message }

func snsInvalid(format string, args ...any) *snsError {
	return &snsError{"InvalidParameter", "Invalid parameter: " + fmt.Sprintf(format, args...), http.StatusBadRequest}
}

// onlyParameters refuses a parameter that the action does not have, or that
// this fake does not implement: a client must not believe that it took
// effect. A name that ends in a dot allows everything below it.
func onlyParameters(form url.Values, allowed ...string) error {
	allowed = append(allowed, "Action", "Version")
	for name := range form {
		if prefix, _, dotted := strings.Cut(name, "."); dotted && slices.Contains(allowed, prefix+".") {
			continue
		}
		if !slices.Contains(allowed, name) {
			return snsInvalid("%s is not implemented by this fake", name)
		}
	}
	return nil
}

type createTopicResponse struct {
	XMLName  xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ CreateTopicResponse"`
	TopicArn string   `xml:"CreateTopicResult>TopicArn"`
}

type subscribeResponse struct {
	XMLName         xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ SubscribeResponse"`
	SubscriptionArn string   `xml:"SubscribeResult>SubscriptionArn"`
}

type publishResponse struct {
	XMLName   xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishResponse"`
	MessageId string   `xml:"PublishResult>MessageId"`
}

type snsErrorResponse struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Xmlns   string   `xml:"xmlns,attr"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

func writeSNS(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		e, fault := (*snsError)(nil), "Sender"
		if !errors.As(err, &e) {
			e, fault = &snsError{"InternalError", err.Error(), http.StatusInternalServerError}, "Receiver"
		}
		w.WriteHeader(e.status)
		out = snsErrorResponse{Xmlns: snsNamespace, Type: fault, Code: e.code, Message: e.message}
	}
	xml.NewEncoder(w).Encode(out) //nolint:errcheck // the client is gone: nobody to tell
}

// snsEnvelope is what a queue without raw delivery gets, in AWS's order of
// fields (aws-facts.md, "How records reach a queue").
type snsEnvelope struct {
	Type             string
	MessageId        string
	TopicArn         string
	Subject          string `json:",omitempty"`
	Message          string
	Timestamp        string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
	UnsubscribeURL   string
}

// envelopeOf wraps a notification. The signature is not one: nothing here
// has a key that a receiver could check it with.
func envelopeOf(t *topic, n Notification) (string, error) {
	host := "https://sns." + t.region + ".amazonaws.com/"
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(snsEnvelope{
		Type: "Notification", MessageId: n.ID, TopicArn: t.arn, Subject: n.Subject, Message: n.Message,
		Timestamp:        n.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		SignatureVersion: "1", Signature: "bm90IGEgc2lnbmF0dXJl",
		SigningCertURL: host + "SimpleNotificationService-fake.pem",
		UnsubscribeURL: host + "?Action=Unsubscribe&SubscriptionArn=" + t.arn,
	})
	return strings.TrimSuffix(body.String(), "\n"), err
}
