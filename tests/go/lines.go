package main

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"
)

// lines writes JSON objects, one a line, from any goroutine.
type lines struct {
	lock    sync.Mutex
	encoder *json.Encoder
}

func newLines(to io.Writer) *lines {
	return &lines{encoder: json.NewEncoder(to)}
}

// say writes one line with the time at which it was said, in milliseconds since the epoch.
func (l *lines) say(line map[string]any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	line["at"] = time.Now().UnixMilli()
	// Nobody listens any more: the driver has gone, and this process is about to be ended.
	_ = l.encoder.Encode(line)
}

// event says that a client has told its user of a change.
func (p *program) event(id, kind string, object any, more map[string]any) {
	line := map[string]any{"line": "event", "id": id, "type": kind}
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		// The deletion was not seen in a watch: a later list lacked the object.
		line["unseen"] = true
		object = tombstone.Obj
	}
	p.describe(line, object)
	for name, value := range more {
		line[name] = value
	}
	p.out.say(line)
}

// describe adds an object's metadata to a line, and the fields that were asked for.
func (p *program) describe(line map[string]any, object any) {
	metadata, err := meta.Accessor(object)
	if err != nil {
		line["strange"] = err.Error()
		return
	}
	line["namespace"], line["name"] = metadata.GetNamespace(), metadata.GetName()
	line["uid"], line["resourceVersion"] = metadata.GetUID(), metadata.GetResourceVersion()
	line["generation"] = metadata.GetGeneration()
	if deletion := metadata.GetDeletionTimestamp(); deletion != nil {
		line["deletionTimestamp"] = deletion.UTC().Format(time.RFC3339)
	}
	content, ok := object.(*unstructured.Unstructured)
	if !ok {
		return
	}
	fields := map[string]any{}
	for _, path := range p.fields {
		if value, found, err := unstructured.NestedFieldNoCopy(content.Object, path...); found && err == nil {
			fields[joined(path)] = value
		}
	}
	line["fields"] = fields
}

// failed says that a client's list or watch has ended with an error.
func (p *program) failed(id string, err error) {
	line := map[string]any{"line": "error", "id": id, "message": err.Error()}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		line["code"], line["reason"] = status.Status().Code, status.Status().Reason
	}
	p.out.say(line)
}
