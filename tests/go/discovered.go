package main

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// startDiscovered does what the garbage collector and the quota controller do: an informer of the metadata of every resource
// that discovery says can be listed and watched.
func startDiscovered(ctx context.Context, p *program, spec Spec) ([]named, error) {
	config, err := p.config(spec, spec.ID)
	if err != nil {
		return nil, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	lists, err := client.ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	var started []named
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") || !slices.Contains(resource.Verbs, "watch") {
				continue
			}
			one := spec
			one.Metadata, one.Count = true, 1
			one.Resource = version.WithResource(resource.Name).Resource + "." + version.Version
			if version.Group != "" {
				one.Resource += "." + version.Group
			}
			id := spec.ID + ":" + one.Resource
			informer, err := startInformer(ctx, p, one, id, config)
			if err != nil {
				return nil, err
			}
			started = append(started, named{id, informer})
		}
	}
	return started, nil
}
