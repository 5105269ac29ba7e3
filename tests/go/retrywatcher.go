package main

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	toolswatch "k8s.io/client-go/tools/watch"
)

// retryWatcher lists, and then lets client-go's RetryWatcher tell what changes, as GitOps tools do. When that gives up it
// begins anew.
type retryWatcher struct {
	p      *program
	spec   Spec
	client dynamic.ResourceInterface
	cancel context.CancelFunc
	done   sync.WaitGroup

	lock    sync.Mutex
	objects map[types.NamespacedName]*unstructured.Unstructured
	version string
	synced  bool
}

func startRetryWatcher(ctx context.Context, p *program, spec Spec) ([]named, error) {
	config, err := p.config(spec, spec.ID)
	if err != nil {
		return nil, err
	}
	resource, err := spec.resource()
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	made := &retryWatcher{p: p, spec: spec, cancel: cancel, version: spec.From}
	made.objects = map[types.NamespacedName]*unstructured.Unstructured{}
	made.client = client.Resource(resource)
	if spec.Namespace != "" {
		made.client = client.Resource(resource).Namespace(spec.Namespace)
	}
	made.done.Go(func() { made.run(ctx) })
	return []named{{spec.ID, made}}, nil
}

func (r *retryWatcher) held() ([]any, bool, string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	objects := make([]any, 0, len(r.objects))
	for _, object := range r.objects {
		objects = append(objects, object)
	}
	return objects, r.synced, r.version
}

func (r *retryWatcher) stop() {
	r.cancel()
	r.done.Wait()
}

func (r *retryWatcher) run(ctx context.Context) {
	from := r.spec.From
	for ctx.Err() == nil {
		if from == "" {
			var err error
			if from, err = r.list(ctx); err != nil {
				r.p.failed(r.spec.ID, err)
				continue
			}
		}
		watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, from, r)
		if err != nil {
			r.p.failed(r.spec.ID, err)
			return
		}
		for event := range watcher.ResultChan() {
			r.take(event)
		}
		r.p.out.say(map[string]any{"line": "ended", "id": r.spec.ID})
		from = ""
	}
}

// WatchWithContext is how a RetryWatcher watches.
func (r *retryWatcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if r.spec.Timeout > 0 {
		options.TimeoutSeconds = &r.spec.Timeout
	}
	r.spec.tweak(&options)
	return r.client.Watch(ctx, options)
}

func (r *retryWatcher) list(ctx context.Context) (string, error) {
	options := metav1.ListOptions{}
	r.spec.tweak(&options)
	list, err := r.client.List(ctx, options)
	if err != nil {
		return "", err
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	clear(r.objects)
	for number := range list.Items {
		object := &list.Items[number]
		r.objects[name(object)] = object
		r.p.event(r.spec.ID, "LISTED", object, nil)
	}
	r.version, r.synced = list.GetResourceVersion(), true
	r.p.out.say(map[string]any{"line": "synced", "id": r.spec.ID, "resourceVersion": r.version})
	return r.version, nil
}

func (r *retryWatcher) take(event watch.Event) {
	object, ok := event.Object.(*unstructured.Unstructured)
	if event.Type == watch.Error || !ok {
		r.p.failed(r.spec.ID, errors.FromObject(event.Object))
		return
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.version = object.GetResourceVersion()
	if event.Type == watch.Deleted {
		delete(r.objects, name(object))
	} else {
		r.objects[name(object)] = object
	}
	r.p.event(r.spec.ID, string(event.Type), object, nil)
}

func name(object *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
}
