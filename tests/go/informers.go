package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// informer is one of client-go's, with its goroutines.
type informer struct {
	cache.SharedIndexInformer
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (i *informer) held() ([]any, bool, string) {
	return i.GetStore().List(), i.HasSynced(), i.LastSyncResourceVersion()
}

func (i *informer) stop() {
	i.cancel()
	i.done.Wait()
}

// startInformers starts as many informers as the spec counts.
func startInformers(ctx context.Context, p *program, spec Spec) ([]named, error) {
	var started []named
	var config *rest.Config
	for number := range spec.Count {
		id := spec.ID
		if spec.Count > 1 {
			id = fmt.Sprintf("%s-%d", spec.ID, number)
		}
		if config == nil || spec.Own {
			var err error
			// Informers that share a connection share the name that their requests are told under.
			name := id
			if !spec.Own {
				name = spec.ID
			}
			if config, err = p.config(spec, name); err != nil {
				return nil, err
			}
		}
		informer, err := startInformer(ctx, p, spec, id, config)
		if err != nil {
			return nil, err
		}
		started = append(started, named{id, informer})
	}
	return started, nil
}

func startInformer(ctx context.Context, p *program, spec Spec, id string, config *rest.Config) (*informer, error) {
	generic, err := newInformer(spec, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	made := &informer{SharedIndexInformer: generic.Informer(), cancel: cancel}
	err = made.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { p.failed(id, err) })
	if err != nil {
		return nil, err
	}
	handle, err := made.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			p.event(id, "ADDED", object, map[string]any{"initial": initial})
		},
		UpdateFunc: func(_, object any) { p.event(id, "MODIFIED", object, nil) },
		DeleteFunc: func(object any) { p.event(id, "DELETED", object, nil) },
	})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	made.done.Go(func() { made.RunWithContext(ctx) })
	made.done.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), handle.HasSynced) {
			p.out.say(map[string]any{"line": "synced", "id": id, "milliseconds": time.Since(began).Milliseconds()})
		}
	})
	return made, nil
}

// newInformer makes an informer of whole objects or of their metadata. No resync: what handlers see has been seen in a watch or a list.
func newInformer(spec Spec, config *rest.Config) (informers.GenericInformer, error) {
	resource, err := spec.resource()
	if err != nil {
		return nil, err
	}
	tweak := func(options *metav1.ListOptions) { spec.tweak(options) }
	if spec.Metadata {
		client, err := metadata.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		return metadatainformer.NewFilteredMetadataInformer(client, resource, spec.Namespace, 0, nil, tweak), nil
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return dynamicinformer.NewFilteredDynamicInformer(client, resource, spec.Namespace, 0, nil, tweak), nil
}
