package main

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// controller is a manager with one controller, whose cache is the client's store.
type controller struct {
	p        *program
	spec     Spec
	kind     schema.GroupVersionKind
	manager  manager.Manager
	informer cache.Informer
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

func startController(ctx context.Context, p *program, spec Spec) ([]named, error) {
	config, err := p.config(spec, spec.ID)
	if err != nil {
		return nil, err
	}
	resource, err := spec.resource()
	if err != nil {
		return nil, err
	}
	options := cache.Options{
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) { p.failed(spec.ID, err) },
	}
	if spec.Namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{spec.Namespace: {}}
	}
	if options.DefaultLabelSelector, err = labels.Parse(spec.Selector); err != nil {
		return nil, err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{Cache: options, Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return nil, err
	}
	kind, err := manager.GetRESTMapper().KindFor(resource)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	made := &controller{p: p, spec: spec, kind: kind, manager: manager, cancel: cancel}
	build := ctrl.NewControllerManagedBy(manager).Named(spec.ID)
	if spec.Metadata {
		build = build.For(made.object(), builder.OnlyMetadata)
	} else {
		build = build.For(made.object())
	}
	if err := build.Complete(made); err != nil {
		return nil, err
	}
	if made.informer, err = manager.GetCache().GetInformer(ctx, made.object(), cache.BlockUntilSynced(false)); err != nil {
		return nil, err
	}
	made.done.Go(func() { must(manager.Start(ctx)) })
	made.done.Go(func() {
		if manager.GetCache().WaitForCacheSync(ctx) {
			p.out.say(map[string]any{"line": "synced", "id": spec.ID})
		}
	})
	return []named{{spec.ID, made}}, nil
}

// object is an empty one of the kind, in the form that is watched.
func (c *controller) object() ctrlclient.Object {
	if c.spec.Metadata {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(c.kind)
		return object
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(c.kind)
	return object
}

// Reconcile says what the cache holds of the object now.
func (c *controller) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := c.object()
	// The manager's client would read unstructured objects past the cache.
	err := c.manager.GetCache().Get(ctx, request.NamespacedName, object)
	switch {
	case err == nil:
		c.p.event(c.spec.ID, "RECONCILED", object, nil)
	case errors.IsNotFound(err):
		c.p.out.say(map[string]any{
			"line": "event", "id": c.spec.ID, "type": "GONE", "namespace": request.Namespace, "name": request.Name,
		})
	default:
		c.p.failed(c.spec.ID, err)
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, nil
}

func (c *controller) held() ([]any, bool, string) {
	objects := []any{}
	ctx := context.Background()
	list := c.kind.GroupVersion().WithKind(c.kind.Kind + "List")
	if c.spec.Metadata {
		found := &metav1.PartialObjectMetadataList{}
		found.SetGroupVersionKind(list)
		must(c.manager.GetCache().List(ctx, found))
		for number := range found.Items {
			objects = append(objects, &found.Items[number])
		}
	} else {
		found := &unstructured.UnstructuredList{}
		found.SetGroupVersionKind(list)
		must(c.manager.GetCache().List(ctx, found))
		for number := range found.Items {
			objects = append(objects, &found.Items[number])
		}
	}
	return objects, c.informer.HasSynced(), ""
}

func (c *controller) stop() {
	c.cancel()
	c.done.Wait()
}
