package fakeaws

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"
)

type sendMessageInput struct {
	QueueUrl string
	sendEntry
}

// sendEntry is what SendMessage and an entry of SendMessageBatch share.
type sendEntry struct {
	MessageBody  string
	DelaySeconds *int
}

type sentMessage struct {
	MessageId        string
	MD5OfMessageBody string
}

func (s *sqsService) sendMessage(req *Request, in *sendMessageInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl, req.Caller)
	if err != nil {
		return nil, err
	}
	sent, err := s.accept(q, in.sendEntry, req.Caller)
	return sent, err
}

// accept checks a message and puts it on the queue.
func (s *sqsService) accept(q *queue, e sendEntry, c Caller) (sentMessage, error) {
	if err := checkBody(e.MessageBody, q.settings.maxSize); err != nil {
		return sentMessage{}, err
	}
	delay, err := bounded("DelaySeconds", e.DelaySeconds, 0, 900, int(q.settings.delay/time.Second))
	if err != nil {
		return sentMessage{}, err
	}
	m := s.enqueue(q, e.MessageBody, c.Account, time.Duration(delay)*time.Second)
	return sentMessage{MessageId: m.id, MD5OfMessageBody: m.md5}, nil
}

// enqueue adds a checked message. IDs count up, so that two runs with the same
// calls are the same.
func (s *sqsService) enqueue(q *queue, body, sender string, delay time.Duration) *message {
	s.seq++
	sum := md5.Sum([]byte(body))
	now := s.now()
	m := &message{
		id:     fmt.Sprintf("%08x-5175-4000-8000-%012x", s.seq>>48, s.seq&(1<<48-1)),
		seq:    s.seq,
		body:   body,
		md5:    hex.EncodeToString(sum[:]),
		sender: sender,
		sent:   now,
	}
	q.add(m, now, delay)
	return m
}

// checkBody refuses what is empty, longer than max bytes, or holds a
// character that XML 1.0 does not have.
func checkBody(body string, max int) error {
	if body == "" {
		return missingParameter("MessageBody")
	}
	if len(body) > max {
		return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", max)
	}
	if !utf8.ValidString(body) {
		return invalidContents()
	}
	for _, r := range body {
		if (r < 0x20 && r != '\t' && r != '\n' && r != '\r') || r == 0xFFFE || r == 0xFFFF {
			return invalidContents()
		}
	}
	return nil
}

func invalidContents() *Error {
	return sqsErr("InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}
