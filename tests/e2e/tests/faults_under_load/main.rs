//! Coder, kube-apiserver and each of two Envoys go away and come back, in turn, while clients read, write and watch: nobody is told that
//! something is not there, nothing that was promised is lost, and all goes on without a hand.

mod load;

use e2e::{
    Balancer, Endpoint, GoClients, Lab, Mode, Replica, Scratch,
    balancer::Led,
    check::names,
    envoy::eventually,
    go::{self, Options, WORKSPACES},
};
use load::Load;
use serde_json::json;
use std::{
    fs,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

/// How long each is away.
const AWAY: Duration = Duration::from_secs(3);

/// The longest until clients are served again: kube-apiserver looks for a group that has failed only by and by.
const RECOVERY: Duration = Duration::from_secs(60);

/// The longest until an informer that has failed often comes again, and knows everything.
const INFORMED: Duration = Duration::from_secs(120);

/// Two Envoys behind one address, and wires to what is behind them.
struct World<'lab> {
    led: Led<'lab>,
    service: Balancer,
    replicas: [Replica; 2],
    coder: Balancer,
    kube: Balancer,
}

impl<'lab> World<'lab> {
    fn new(lab: &'lab Lab) -> World<'lab> {
        let coder = lab.coder_url.trim_start_matches("http://").to_owned();
        let kube = lab.direct().authority();
        let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
        let wires = [&coder, &kube].map(|address| Balancer::before(std::slice::from_ref(address)));
        let changes: Vec<(String, String)> = [&coder, &kube]
            .into_iter()
            .zip(&wires)
            .map(|(address, wire)| {
                (format!("port_value: {} ", port(address)), format!("port_value: {} ", wire.port()))
            })
            .collect();
        let changes: Vec<_> = changes.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        let replicas = [Replica::start(lab, &changes), Replica::start(lab, &changes)];
        let service = Balancer::before(&replicas.each_ref().map(Replica::address));
        let led = Led::to(lab, &service, &lab.namespace);
        let [coder, kube] = wires;
        World { led, service, replicas, coder, kube }
    }

    /// Where clients of the cluster come in, as the admin: in front the Envoys, behind the wire to kube-apiserver.
    fn front(&self, lab: &Lab) -> Endpoint {
        match lab.mode {
            Mode::Front => self.led.front(),
            Mode::Aggregated => lab.front_at(&self.kube.url("https")),
        }
    }

    /// A kubeconfig that leads there.
    fn kubeconfig(&self, lab: &Lab) -> PathBuf {
        let url = match lab.mode {
            Mode::Front => self.service.url("https"),
            Mode::Aggregated => self.kube.url("https"),
        };
        let text = fs::read_to_string(&lab.kubeconfig).expect("KUBECONFIG can be read");
        let file = std::env::temp_dir().join(format!("{}.kubeconfig", e2e::scratch::unique()));
        fs::write(&file, text.replace(&lab.front_url, &url)).expect("a kubeconfig");
        file
    }

    /// Has something go away and come back.
    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Coder => {
                self.coder.cut();
                sleep(AWAY);
                self.coder.mend();
            }
            Fault::Kubernetes => {
                self.kube.cut();
                sleep(AWAY);
                self.kube.mend();
            }
            Fault::Moved => self.service.shuffle(),
            Fault::Replica(number) => {
                self.replicas[number].kill();
                sleep(AWAY);
                self.replicas[number].launch();
            }
            Fault::Replicas => {
                self.replicas.iter_mut().for_each(Replica::kill);
                sleep(AWAY);
                self.replicas.iter_mut().for_each(Replica::launch);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Coder,
    Kubernetes,
    /// Clients go from one Envoy to the other.
    Moved,
    Replica(usize),
    Replicas,
}

const FAULTS: [Fault; 8] = [
    Fault::Coder,
    Fault::Replica(0),
    Fault::Kubernetes,
    Fault::Moved,
    Fault::Replica(1),
    Fault::Coder,
    Fault::Replicas,
    Fault::Kubernetes,
];

#[test]
fn whatever_goes_comes_back_and_nothing_is_lost() {
    let Some(lab) = Lab::exclusive() else { return };
    let Some(program) = go::program() else { return };
    let scratch = Scratch::new(&lab);
    let mut world = World::new(&lab);
    let front = scratch.acting(world.front(&lab));
    let kubeconfig = world.kubeconfig(&lab);
    let options = Options { kubeconfig: Some(&kubeconfig), ..Options::default() };
    let specs = [json!({"id": "watches", "resource": WORKSPACES, "namespace": lab.namespace})];
    let lists = Options { lists: true, ..options.clone() };
    let mut informers =
        [&options, &lists].map(|options| GoClients::start(&lab, &program, "informers", &specs, options));
    for informer in &informers {
        informer.synced(&["watches"], INFORMED);
    }
    let load = Load::start(&lab, &scratch, &front);
    for fault in FAULTS {
        sleep(Duration::from_secs(1));
        let start = Instant::now();
        load.note(format!("{fault:?} goes"));
        world.fault(fault);
        load.note(format!("{fault:?} is back after {:?}", start.elapsed()));
        let back = Instant::now();
        load.recovers(RECOVERY);
        println!("{fault:?}: away for {:?}, all is well {:?} later", back - start, back.elapsed());
    }
    let outcome = load.end();
    println!("{outcome}");
    let listed = names(&e2e::api::ok(&front.get(&lab.path("coderworkspaces"))));
    for informer in &mut informers {
        eventually("an informer knows what there is", INFORMED, || {
            let held = informer.held("watches");
            (held.names() == listed).then_some(())
        });
        // What an earlier test has deleted may go meanwhile.
        for line in informer.lines() {
            let name = line["name"].as_str().unwrap_or_default();
            let gone = line["line"] == "event" && line["type"] == "DELETED";
            assert!(!gone || !listed.iter().any(|listed| listed == name), "told to be gone: {line}");
        }
    }
    drop(fs::remove_file(kubeconfig));
}
