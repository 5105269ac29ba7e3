//! The developer commands: `cargo xtask build`, `dist`, `lab`, `demo`, `test`, `bench`.
//!
//! Each does all its own set-up on a fresh Linux machine, keeps what it fetches and builds in a cache outside the
//! checkout, listens on loopback alone, and leaves nothing running that it was not asked to leave.

mod bench;
mod command;
mod demo;
mod dist;
mod lab;
mod module;
mod paths;
mod progress;
mod signals;
mod test;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Developer commands of coder-kube-filter",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the wasm module into dist/, check what it imports, print its size
    Build(module::Build),
    /// Write a release into dist/: the module, its SBOM, an OCI image layout, checksums
    Dist(dist::Dist),
    #[command(subcommand)]
    Lab(lab::Command),
    /// See it work: start everything on loopback, take a tour with kubectl, stay up
    Demo(demo::Demo),
    /// Run every check and test
    Test(test::Test),
    /// Measure the filter against Envoy passing the same bytes on
    Bench(bench::Bench),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let outcome = signals::install().and_then(|()| match cli.command {
        Command::Build(build) => module::build_command(&build),
        Command::Dist(dist) => dist::run(&dist),
        Command::Lab(command) => lab::run(&command),
        Command::Demo(demo) => demo::run(&demo),
        Command::Test(test) => test::run(&test),
        Command::Bench(bench) => bench::run(&bench),
    });
    signals::settle();
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
