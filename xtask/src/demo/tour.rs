//! The tour: a few kubectl commands, each with a sentence on what it shows and a check that it did.

use std::io::{IsTerminal, Write};
use std::process::{Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::lab::{Environment, Parts};
use crate::progress::say;

/// Lines of an answer that are shown; the rest is counted.
const SHOWN: usize = 18;

/// How often something is done until nobody else has called Coder meanwhile.
const TRIES: usize = 20;

/// One stop of the tour.
struct Stop {
    title: &'static str,
    text: &'static str,
    commands: &'static [Shown],
}

/// A kubectl command, what it is given on standard input, and what must be in its answer.
struct Shown {
    arguments: &'static [&'static str],
    input: &'static str,
    expect: Expect,
}

enum Expect {
    /// It succeeds, and its output says this.
    Says(&'static str),
    /// It fails with these words.
    Refused(&'static str),
    /// It fails with these words, and Coder was not called.
    RefusedWithoutCoder(&'static str),
    /// It succeeds and is not shown: it only prepares the next command.
    Quiet,
}

const fn shown(arguments: &'static [&'static str], expect: Expect) -> Shown {
    Shown { arguments, input: "", expect }
}

const fn given(input: &'static str, arguments: &'static [&'static str], expect: Expect) -> Shown {
    Shown { arguments, input, expect }
}

/// A workspace on a template that demands a parameter, which is missing.
const INCOMPLETE: &str = "\
apiVersion: aggregation.coder.com/v1alpha1
kind: CoderWorkspace
metadata: {name: coder.alice.tour}
spec:
  organization: coder
  templateName: params
  ttlMillis: 3600000
";

/// The same with it.
const COMPLETE: &str = "\
apiVersion: aggregation.coder.com/v1alpha1
kind: CoderWorkspace
metadata: {name: coder.alice.tour}
spec:
  organization: coder
  templateName: params
  ttlMillis: 3600000
  parameters: [{name: cpu, value: \"4\"}]
";

const STOPS: &[Stop] = &[
    Stop {
        title: "Your cluster, as it was",
        text: "kubectl talks to Envoy. What is not Coder's goes through to kube-apiserver untouched.",
        commands: &[shown(&["get", "namespaces"], Expect::Says("coder"))],
    },
    Stop {
        title: "Two kinds more",
        text: "Envoy adds one API group to the cluster's. No CustomResourceDefinition, no API server of ours.",
        commands: &[shown(
            &["api-resources", "--api-group", "aggregation.coder.com"],
            Expect::Says("CoderWorkspace"),
        )],
    },
    Stop {
        title: "Every workspace, live from Coder",
        text: "Nothing is copied into etcd: this is one call to Coder, turned into Kubernetes objects on the way back.",
        commands: &[shown(&["get", "coderworkspaces"], Expect::Says("coder.bob.bad"))],
    },
    Stop {
        title: "Whose, and more of it",
        text: "Labels come from Coder's own data, and what Coder can filter is asked of Coder.",
        commands: &[shown(
            &["get", "cws", "-l", "coder.com/owner=alice", "-o", "wide"],
            Expect::Says("coder.alice.ws0"),
        )],
    },
    Stop {
        title: "What went wrong",
        text: "Conditions carry Coder's own words, so `kubectl wait` and every dashboard understand them.",
        commands: &[shown(
            &[
                "get",
                "cws",
                "coder.bob.bad",
                "-o",
                "jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{\"\\n\"}{end}",
            ],
            Expect::Says("failed!"),
        )],
    },
    Stop {
        title: "Templates, with their files",
        text: "Short names, columns, jsonpath: all of kubectl works, because these are real API objects.",
        commands: &[
            shown(&["get", "ctpl"], Expect::Says("coder.dev")),
            shown(
                &["get", "ctpl", "coder.params", "-o", "jsonpath={.spec.files.main\\.tf}"],
                Expect::Says("terraform"),
            ),
        ],
    },
    Stop {
        title: "A mistake is told with its field",
        text: "Everything is checked before anything is made, parameters included.",
        commands: &[given(INCOMPLETE, &["create", "-f", "-"], Expect::Refused("spec.parameters[cpu]"))],
    },
    Stop {
        title: "A workspace from a manifest",
        text: "Coder builds it; kubectl stops it and deletes it. Long things are answered at once and shown as conditions.",
        commands: &[
            given(COMPLETE, &["create", "-f", "-"], Expect::Says("created")),
            shown(
                &["get", "cws", "coder.alice.tour", "--watch", "--request-timeout=3s"],
                Expect::Says("coder.alice.tour"),
            ),
            shown(&["wait", "--for=condition=Ready", "cws/coder.alice.tour"], Expect::Quiet),
            shown(&["get", "cws", "coder.alice.tour"], Expect::Says("running")),
            shown(&["scale", "cws", "coder.alice.tour", "--replicas=0"], Expect::Says("scaled")),
            shown(&["wait", "--for=condition=Ready", "cws/coder.alice.tour"], Expect::Quiet),
            shown(&["get", "cws", "coder.alice.tour"], Expect::Says("stopped")),
            shown(&["delete", "cws", "coder.alice.tour", "--wait=false"], Expect::Says("deleted")),
        ],
    },
    Stop {
        title: "Documented where you are",
        text: "The schema is generated from the types that serve it.",
        commands: &[shown(&["explain", "coderworkspace.spec"], Expect::Says("FIELDS"))],
    },
    Stop {
        title: "The cluster decides who may",
        text: "alice has a token of this cluster and no rights in it. The refusal is Kubernetes' own, and Coder never hears of it.",
        commands: &[shown(
            &["--context", "alice", "get", "cws"],
            Expect::RefusedWithoutCoder("coderworkspaces.aggregation.coder.com is forbidden"),
        )],
    },
];

/// Rights are granted the usual way; the stand-in has none to give.
const GRANT: Stop = Stop {
    title: "One role binding later",
    text: "Rights over Coder's workspaces are given like any others.",
    commands: &[
        shown(
            &[
                "create",
                "role",
                "reader",
                "--verb=get,list",
                "--resource=coderworkspaces.aggregation.coder.com",
            ],
            Expect::Says("created"),
        ),
        shown(
            &["create", "rolebinding", "alice-reads", "--role=reader", "--user=alice"],
            Expect::Says("created"),
        ),
        // kube-apiserver's own authorizer sees a new binding a moment later.
        shown(&["wait", "--for=create", "rolebinding/alice-reads"], Expect::Quiet),
        shown(
            &["get", "cws", "--as", "alice", "-l", "coder.com/owner=alice"],
            Expect::Says("coder.alice.ws0"),
        ),
    ],
};

/// Walks through every stop. Fails when kubectl's answer is not what the tour says it is.
pub(super) fn run(environment: &Environment, parts: Parts) -> Result<()> {
    let more = if parts == Parts::Real { Some(&GRANT) } else { None };
    for (number, stop) in STOPS.iter().chain(more).enumerate() {
        say(&bold(&format!("\n  {}. {}", number + 1, stop.title)));
        say(&format!("     {}\n", stop.text));
        for command in stop.commands {
            show(environment, command)
                .with_context(|| format!("the tour's stop \u{201c}{}\u{201d}", stop.title))?;
        }
    }
    Ok(())
}

fn show(environment: &Environment, shown: &Shown) -> Result<()> {
    let ask = || kubectl(environment, shown);
    let (out, text) = match shown.expect {
        Expect::RefusedWithoutCoder(_) => without_calls(|| coder_calls(environment), ask)?,
        _ => ask()?,
    };
    if !matches!(shown.expect, Expect::Quiet) {
        print(shown.arguments, shown.input, &text);
    }
    match shown.expect {
        Expect::Says(words) if !out.success() || !text.contains(words) => {
            bail!("expected `{words}` and success, got ({out}):\n{text}")
        }
        Expect::Refused(words) | Expect::RefusedWithoutCoder(words)
            if out.success() || !text.contains(words) =>
        {
            bail!("expected a refusal with `{words}`, got ({out}):\n{text}")
        }
        Expect::Quiet if !out.success() => bail!("kubectl failed ({out}):\n{text}"),
        Expect::RefusedWithoutCoder(_) => say("     Calls to Coder meanwhile: 0\n"),
        Expect::Says(_) | Expect::Refused(_) | Expect::Quiet => {}
    }
    Ok(())
}

/// Runs a command, and returns how it ended and what it said.
fn kubectl(environment: &Environment, shown: &Shown) -> Result<(ExitStatus, String)> {
    let mut kubectl = Command::new(environment.get("KUBECTL")?);
    kubectl.env("KUBECONFIG", environment.get("KUBECONFIG")?).args(shown.arguments);
    // What kubectl remembers of other clusters that had this port is not ours to meet, nor to add to.
    kubectl.env("KUBECACHEDIR", environment.get("KUBECACHEDIR")?);
    let out = fed(&mut kubectl, shown.input).context("cannot run kubectl")?;
    let text = [out.stdout, out.stderr].concat();
    Ok((out.status, String::from_utf8_lossy(&text).into_owned()))
}

/// Does something for which Coder must not be called. While somebody watches, and for a minute afterwards, the filter calls Coder by
/// itself: what this is to blame for happens each time.
fn without_calls<T>(
    mut calls: impl FnMut() -> Result<u64>,
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut more = 0;
    for _ in 0..TRIES {
        let before = calls()?;
        let done = work()?;
        more = calls()?.saturating_sub(before);
        if more == 0 {
            return Ok(done);
        }
    }
    bail!("Coder was called {more} times for somebody without rights")
}

/// Runs a command that reads this.
fn fed(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever ends before it has read everything says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

fn print(arguments: &[&str], input: &str, text: &str) {
    let quoted: Vec<String> = arguments
        .iter()
        .map(
            |word| {
                if word.contains([' ', '{', '\\', '\n']) { format!("'{word}'") } else { (*word).to_owned() }
            },
        )
        .collect();
    say(&bold(&format!("     $ kubectl {}", quoted.join(" ").replace('\n', "\\n"))));
    for line in input.lines() {
        say(&format!("     {line}"));
    }
    if !input.is_empty() {
        say("     ^D\n");
    }
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.dedup_by(|line, before| line.is_empty() && before.is_empty());
    for line in lines.iter().take(SHOWN) {
        say(&format!("     {line}"));
    }
    if lines.len() > SHOWN {
        say(&format!("     \u{2026} and {} lines more", lines.len() - SHOWN));
    }
    say("");
}

/// What stands out on a terminal.
fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// How many requests Envoy has sent to Coder since it started.
fn coder_calls(environment: &Environment) -> Result<u64> {
    let url =
        format!("{}/stats?filter=^cluster%5C.coder%5C.upstream_rq_total$", environment.get("ENVOY_ADMIN")?);
    let text = ureq::get(&url).call()?.body_mut().read_to_string()?;
    let count = text.trim().rsplit_once(": ").and_then(|(_, count)| count.parse().ok());
    count.with_context(|| format!("Envoy does not count its requests to Coder: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coder's calls as they are counted before and after each try.
    fn tried(counts: &[u64]) -> (Result<usize>, usize) {
        let (mut counted, mut tries) = (counts.iter().copied().cycle(), 0);
        let result = without_calls(
            || Ok(counted.next().unwrap()),
            || {
                tries += 1;
                Ok(tries)
            },
        );
        (result, tries)
    }

    #[test]
    fn calls_that_others_make_meanwhile_are_not_blamed_on_it() {
        assert_eq!(tried(&[7, 7]).0.unwrap(), 1);
        assert_eq!(tried(&[7, 9, 9, 10, 11, 11]).0.unwrap(), 3);
        let (result, tries) = tried(&[0, 2]);
        assert_eq!(result.unwrap_err().to_string(), "Coder was called 2 times for somebody without rights");
        assert_eq!(tries, TRIES);
    }
}
