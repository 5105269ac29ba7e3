//! Runs kubectl, the real one, with a deadline and a cache of its own.

use crate::{Endpoint, running::Running};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// No kubectl command of the suite may take longer.
const DEADLINE: Duration = Duration::from_secs(150);

/// kubectl with a kubeconfig and a context.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    input: Option<String>,
}

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; -1 when it was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Kubectl {
    /// With the kubeconfig's current context.
    pub fn new(program: &Path, kubeconfig: &Path) -> Kubectl {
        let cache = std::env::temp_dir().join(format!("coder-kube-e2e-{}", std::process::id()));
        let options = vec![format!("--cache-dir={}", cache.display())];
        Kubectl {
            program: program.into(),
            kubeconfig: kubeconfig.into(),
            options,
            environment: Vec::new(),
            input: None,
        }
    }

    /// With one more option before the arguments of every command.
    #[must_use]
    pub fn option(mut self, option: &str) -> Kubectl {
        self.options.push(option.into());
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Kubectl {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With another context of the same kubeconfig.
    #[must_use]
    pub fn context(mut self, name: &str) -> Kubectl {
        self.options.push(format!("--context={name}"));
        self
    }

    /// With this text on standard input.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Kubectl {
        self.input = Some(text.into());
        self
    }

    /// Runs it. An argument list is written as one text with blanks; use [`Kubectl::run_args`] where one contains a blank.
    ///
    /// # Panics
    /// When kubectl cannot be started or does not end in time.
    pub fn run(&self, arguments: &str) -> Output {
        self.run_args(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs it with these arguments.
    ///
    /// # Panics
    /// As [`Kubectl::run`].
    pub fn run_args(&self, arguments: &[&str]) -> Output {
        let command = format!("kubectl {}", arguments.join(" "));
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.program.display()));
        let mut stdin = child.stdin.take().expect("piped");
        let input = self.input.clone().unwrap_or_default();
        // A command that does not read its input closes the pipe early, which is no failure.
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let stdout = read_all(child.stdout.take().expect("piped"));
        let stderr = read_all(child.stderr.take().expect("piped"));
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("kubectl can be waited for") {
                break status;
            }
            if start.elapsed() > DEADLINE {
                child.kill().expect("kubectl can be killed");
                panic!("{command}: no end after {DEADLINE:?}");
            }
            thread::sleep(Duration::from_millis(10));
        };
        writer.join().expect("no panic");
        Output {
            command,
            code: status.code().unwrap_or(-1),
            stdout: stdout.join().expect("no panic"),
            stderr: stderr.join().expect("no panic"),
        }
    }

    /// Starts a command that goes on, such as `get -w`.
    ///
    /// # Panics
    /// When kubectl cannot be started.
    pub fn start(&self, arguments: &str) -> Running {
        Running::start(arguments, &mut self.command(&arguments.split_whitespace().collect::<Vec<_>>()))
    }

    /// The process of a command, with what it writes caught.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options).args(arguments).env("KUBECONFIG", &self.kubeconfig);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Where this kubectl would connect, without credentials, for the raw clients.
    ///
    /// # Panics
    /// When the kubeconfig names no server or CA.
    pub fn server(&self) -> Endpoint {
        let cluster = &self.config()["clusters"][0]["cluster"];
        let endpoint = Endpoint::from_url(cluster["server"].as_str().expect("a server"))
            .with_ca(&decoded(&cluster["certificate-authority-data"]).expect("a CA"));
        match cluster["tls-server-name"].as_str() {
            Some(name) => endpoint.with_server_name(name),
            None => endpoint,
        }
    }

    /// Where this kubectl would connect, with its credentials.
    ///
    /// # Panics
    /// When the kubeconfig names no server, CA or credentials.
    pub fn endpoint(&self) -> Endpoint {
        let user = &self.config()["users"][0]["user"];
        let (certificate, key) = (&user["client-certificate-data"], &user["client-key-data"]);
        match (decoded(certificate), decoded(key), user["token"].as_str()) {
            (Some(certificate), Some(key), _) => self.server().with_identity(&certificate, &key),
            (_, _, token) => self.server().with_token(token.expect("a token or a client certificate")),
        }
    }

    /// The part of the kubeconfig that is in use, with file contents in place of file names.
    fn config(&self) -> Value {
        self.run("config view --raw --minify --flatten -o json").json()
    }
}

impl Output {
    /// Standard output of a command that succeeded.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}\nstdout: {}\nstderr: {}", self.command, self.stdout, self.stderr);
        &self.stdout
    }

    /// Standard error of a command that failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[track_caller]
    pub fn fails(&self) -> &str {
        assert_ne!(self.code, 0, "{} succeeded\nstdout: {}", self.command, self.stdout);
        self.stderr.trim_end()
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When the command failed or printed something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        let out = self.ok();
        serde_json::from_str(out).unwrap_or_else(|e| panic!("{}: {e}: {out}", self.command))
    }

    /// Lines of standard output of a command that succeeded.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    pub fn lines(&self) -> Vec<&str> {
        self.ok().lines().collect()
    }
}

fn decoded(data: &Value) -> Option<Vec<u8>> {
    data.as_str().map(|text| BASE64_STANDARD.decode(text).expect("base64"))
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("kubectl's output can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
