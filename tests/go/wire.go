package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// streams numbers requests over the whole process.
var streams atomic.Int64

// listener says what goes over the wire: each list and watch with the code of its answer, each event of a watch as it came,
// and how the watch ended.
type listener struct {
	next http.RoundTripper
	id   string
	*program
}

func (p *program) listen(id string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &listener{next, id, p} }
}

func (l *listener) RoundTrip(request *http.Request) (*http.Response, error) {
	stream := streams.Add(1)
	watch := request.URL.Query().Get("watch") == "true"
	line := map[string]any{
		"line": "request", "id": l.id, "stream": stream, "watch": watch, "path": request.URL.Path,
		"query": request.URL.RawQuery,
	}
	response, err := l.next.RoundTrip(request)
	if err != nil {
		line["error"] = err.Error()
		l.out.say(line)
		return nil, err
	}
	line["status"], line["protocol"] = response.StatusCode, response.Proto
	l.out.say(line)
	isJSON := strings.HasPrefix(response.Header.Get("Content-Type"), "application/json")
	if watch && isJSON && response.StatusCode == http.StatusOK {
		response.Body = &tap{body: response.Body, stream: stream, listener: l}
	}
	return response, nil
}

// tap reads along a watch.
type tap struct {
	body   io.ReadCloser
	stream int64
	line   []byte
	ended  bool
	*listener
}

func (t *tap) Read(into []byte) (int, error) {
	count, err := t.body.Read(into)
	t.line = append(t.line, into[:count]...)
	for {
		text, rest, whole := bytes.Cut(t.line, []byte("\n"))
		if !whole {
			break
		}
		t.event(text)
		t.line = rest
	}
	if err != nil {
		t.end(err)
	}
	return count, err
}

func (t *tap) Close() error {
	t.end(errors.New("closed by the client"))
	return t.body.Close()
}

func (t *tap) end(err error) {
	if t.ended {
		return
	}
	t.ended = true
	line := map[string]any{"line": "end", "id": t.id, "stream": t.stream, "why": err.Error(), "clean": err == io.EOF}
	if len(t.line) > 0 {
		line["half"] = string(t.line)
	}
	t.out.say(line)
}

func (t *tap) event(text []byte) {
	line := map[string]any{"line": "wire", "id": t.id, "stream": t.stream}
	var event struct {
		Type   string
		Object map[string]any
	}
	if err := json.Unmarshal(text, &event); err != nil {
		line["strange"] = string(text)
		t.out.say(line)
		return
	}
	line["type"] = event.Type
	switch event.Type {
	case "ERROR":
		line["status"] = event.Object
	case "BOOKMARK":
		object := unstructured.Unstructured{Object: event.Object}
		line["resourceVersion"], line["annotations"] = object.GetResourceVersion(), object.GetAnnotations()
	default:
		t.describe(line, &unstructured.Unstructured{Object: event.Object})
	}
	t.out.say(line)
}
