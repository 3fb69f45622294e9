package recordfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// lists are the keys under which a log file, or the output of a tool, has its records.
var lists = map[string]bool{
	"Records":         true, // CloudTrail's log files, SNS and SQS to Lambda
	"Events":          true, // aws cloudtrail lookup-events
	"Messages":        true, // aws sqs receive-message
	"QueryResultRows": true, // aws cloudtrail get-query-results
	"queryResultRows": true,
	"events":          true, // aws logs filter-log-events, get-log-events
	"results":         true, // aws logs get-query-results
	"logEvents":       true, // what a subscription of CloudWatch Logs passes on, inflated
}

// wrapped has the fields that one record or message may be in, of all forms together.
type wrapped struct {
	CloudTrailEvent string `json:"CloudTrailEvent"` // lookup-events
	Sns             struct{ Message string }
	ReceiptHandle   string `json:"ReceiptHandle"` // receive-message, and in lower case Lambda's
	Body            string `json:"Body"`

	// An event of CloudWatch Logs, to which a trail may send its records too. In a subscription the event has
	// an ID, in the output of the AWS CLI the time of its ingestion.
	IngestionTime json.Number `json:"ingestionTime"`
	ID            string      `json:"id"`
	Message       string      `json:"message"`
}

// subscription returns what CloudWatch Logs has passed on to a Lambda function, base64 of gzip; empty:
// the value is another one ("Using Lambda with CloudWatch Logs" in the Lambda developer guide).
func subscription(value []byte) string {
	if !bytes.Contains(value, []byte(`"awslogs"`)) { // so for nearly all values, which then need not be decoded
		return ""
	}
	var w struct {
		Logs struct {
			Data string `json:"data"`
		} `json:"awslogs"`
	}
	if json.Unmarshal(value, &w) != nil {
		return ""
	}
	return w.Logs.Data
}

// errNoRecordInRow means that a query selected only some columns, and none with the record.
var errNoRecordInRow = errors.New("a row of a query without a whole record: select eventJson (CloudTrail Lake), @message (CloudWatch Logs), or the column that has the record as JSON")

// expand takes the records or the message out of the form in which a tool prints a value.
// It unwraps one level; what is in no known form is returned as it is.
func expand(body []byte) ([][]byte, error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
	case body[0] == '"': // an element of a list of CloudTrailEvent texts
		var text string
		if json.Unmarshal(body, &text) == nil && holdsObject(text) {
			return [][]byte{[]byte(text)}, nil
		}
	case body[0] == '[':
		return row(body)
	case body[0] == '{':
		var w wrapped
		if json.Unmarshal(body, &w) != nil {
			break // no form of a tool: it is returned as it is
		}
		switch {
		case w.CloudTrailEvent != "":
			return [][]byte{[]byte(w.CloudTrailEvent)}, nil
		case w.Sns.Message != "":
			return [][]byte{[]byte(w.Sns.Message)}, nil
		case w.Body != "" && w.ReceiptHandle != "":
			return [][]byte{[]byte(w.Body)}, nil
		case w.Message != "" && (w.IngestionTime != "" || w.ID != ""):
			return [][]byte{[]byte(w.Message)}, nil
		}
	}
	return [][]byte{body}, nil
}

// row returns the records in a row of a query: a list of columns, each an object with one value
// (CloudTrail Lake), or with the name and the value (CloudWatch Logs).
func row(body []byte) (records [][]byte, err error) {
	var columns []map[string]json.RawMessage
	if json.Unmarshal(body, &columns) != nil || len(columns) == 0 {
		return [][]byte{body}, nil
	}
	for _, c := range columns {
		for _, value := range c {
			var text string
			if json.Unmarshal(value, &text) == nil && holdsObject(text) && strings.Contains(text, `"event`) {
				records = append(records, []byte(text))
			}
		}
	}
	if len(records) == 0 {
		return nil, errNoRecordInRow
	}
	slices.SortFunc(records, bytes.Compare) // the columns are maps, which Go ranges over in random order
	return records, nil
}

func holdsObject(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "{") && json.Valid([]byte(text))
}
