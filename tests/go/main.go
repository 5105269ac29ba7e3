// Command clients runs the watching clients that others have written (client-go's informers and RetryWatcher, the cache and
// the controllers of controller-runtime) and says what they see, one JSON object a line on standard output. The end-to-end
// suite drives it and judges; nothing here knows what is right.
//
//	clients [flags] informers|discovered|retrywatcher|controller-runtime [JSON of a spec]...
//
// Commands are read from standard input, one a line: "dump [id]" says what is held, "cut" closes every connection without a
// farewell, "start JSON" and "stop ID" begin and end a client. The program ends with its standard input.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// client is one running watcher of something.
type client interface {
	// held says what the client believes there is, and whether it believes to know everything.
	held() (objects []any, synced bool, version string)
	stop()
}

// kinds are the subcommands.
var kinds = map[string]func(context.Context, *program, Spec) ([]named, error){
	"informers":          startInformers,
	"discovered":         startDiscovered,
	"retrywatcher":       startRetryWatcher,
	"controller-runtime": startController,
}

// named is a client with the name that the lines about it carry.
type named struct {
	id string
	client
}

// program is what all clients of the process share.
type program struct {
	out     *lines
	context string
	fields  [][]string
	wire    bool
	cuts    cutter
	clients []named
}

func main() {
	watchList := flag.Bool("watch-list", true, "ask for initial events in the watch instead of listing")
	user := flag.String("context", "", "the kubeconfig's context; empty is the current one")
	fields := flag.String("fields", "", "paths of fields that events show, separated by commas")
	wire := flag.Bool("wire", false, "say what goes over the wire as well: requests, and every event of each stream")
	flag.Parse()
	// client-go reads its feature gates from the environment, at their first use.
	must(os.Setenv("KUBE_FEATURE_WatchListClient", fmt.Sprint(*watchList)))
	ctrl.SetLogger(klog.Background())

	program := &program{out: newLines(os.Stdout), context: *user, wire: *wire}
	for path := range strings.SplitSeq(*fields, ",") {
		if path != "" {
			program.fields = append(program.fields, strings.Split(path, "."))
		}
	}
	start, known := kinds[flag.Arg(0)]
	if !known {
		fail(fmt.Errorf("expected informers, discovered, retrywatcher or controller-runtime, not %q", flag.Arg(0)))
	}
	ctx := context.Background()
	begin := func(text string) {
		spec, err := parseSpec(text)
		must(err)
		clients, err := start(ctx, program, spec)
		must(err)
		program.clients = append(program.clients, clients...)
	}
	for _, text := range flag.Args()[1:] {
		begin(text)
	}
	program.out.say(map[string]any{"line": "started", "clients": len(program.clients)})

	commands := bufio.NewScanner(os.Stdin)
	commands.Buffer(nil, 1<<20)
	for commands.Scan() {
		word, rest, _ := strings.Cut(commands.Text(), " ")
		switch word {
		case "dump":
			program.dump(rest)
		case "cut":
			program.out.say(map[string]any{"line": "cut", "connections": program.cuts.cut()})
		case "start":
			begin(rest)
		case "stop":
			program.stop(rest)
		default:
			fail(fmt.Errorf("no such command: %q", commands.Text()))
		}
	}
}

// dump says what one client holds, or all of them.
func (p *program) dump(id string) {
	for _, client := range p.clients {
		if id == "" || client.id == id {
			objects, synced, version := client.held()
			p.out.say(map[string]any{
				"line": "dump", "id": client.id, "synced": synced, "resourceVersion": version, "objects": objects,
			})
		}
	}
}

func (p *program) stop(id string) {
	left := p.clients[:0]
	for _, client := range p.clients {
		if client.id == id {
			client.stop()
		} else {
			left = append(left, client)
		}
	}
	p.clients = left
	p.out.say(map[string]any{"line": "stopped", "id": id})
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
