package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Spec is one client as the driver wants it.
type Spec struct {
	// ID is in every line about the client. With a count, a number follows it.
	ID string `json:"id"`
	// Resource is "resource.version.group", or "resource.version" in the core group.
	Resource string `json:"resource"`
	// Namespace is empty for all of them.
	Namespace string `json:"namespace"`
	Selector  string `json:"selector"`
	Fields    string `json:"fieldSelector"`
	// Metadata asks for metadata alone.
	Metadata bool `json:"metadata"`
	// Count is how many alike there shall be; absent is one.
	Count int `json:"count"`
	// Own gives each of them a connection of its own. Otherwise one is shared, as client-go does by itself.
	Own bool `json:"own"`
	// HTTP1 forbids HTTP/2.
	HTTP1 bool `json:"http1"`
	// Timeout is how long each watch may last in seconds; absent is what the client chooses, some minutes.
	Timeout int64 `json:"timeoutSeconds"`
	// Page is the size of the pages in which it lists; absent is what the client chooses.
	Page int64 `json:"limit"`
	// From is the version at which a RetryWatcher begins; absent, it lists first.
	From string `json:"from"`
}

func parseSpec(text string) (Spec, error) {
	spec := Spec{Count: 1}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return spec, fmt.Errorf("%s: %w", text, err)
	}
	return spec, nil
}

func (s Spec) resource() (schema.GroupVersionResource, error) {
	parts := strings.SplitN(s.Resource, ".", 3)
	switch len(parts) {
	case 2:
		return schema.GroupVersionResource{Version: parts[1], Resource: parts[0]}, nil
	case 3:
		return schema.GroupVersionResource{Group: parts[2], Version: parts[1], Resource: parts[0]}, nil
	}
	return schema.GroupVersionResource{}, fmt.Errorf("not a resource with its version: %q", s.Resource)
}

// tweak sets in a request of the client what the spec says.
func (s Spec) tweak(options *metav1.ListOptions) {
	options.LabelSelector, options.FieldSelector = s.Selector, s.Fields
	if options.TimeoutSeconds != nil && s.Timeout > 0 {
		options.TimeoutSeconds = &s.Timeout
	}
	if options.Limit > 0 && s.Page > 0 {
		options.Limit = s.Page
	}
}

// config is the kubeconfig's, without client-go's own limit of requests.
func (p *program) config(spec Spec, id string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	overrides := &clientcmd.ConfigOverrides{CurrentContext: p.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	// A dialer of its own also keeps client-go from sharing the connections of another config.
	config.Dial = p.cuts.dial
	if spec.HTTP1 {
		config.NextProtos = []string{"http/1.1"}
	}
	if p.wire {
		config.Wrap(p.listen(id))
	}
	return config, nil
}

// cutter knows the connections that are open.
type cutter struct {
	lock  sync.Mutex
	conns []net.Conn
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		c.lock.Lock()
		defer c.lock.Unlock()
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

// cut closes every connection as a network would that fails, and says how many.
func (c *cutter) cut() int {
	c.lock.Lock()
	defer c.lock.Unlock()
	cut := 0
	for _, conn := range c.conns {
		// Those that are closed already say so.
		if conn.(*net.TCPConn).SetLinger(0) == nil && conn.Close() == nil {
			cut++
		}
	}
	c.conns = nil
	return cut
}

func joined(path []string) string {
	return strings.Join(path, ".")
}
