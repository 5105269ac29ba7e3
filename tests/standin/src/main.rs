//! `standin CONFIG.json`: runs the stand-in until it is told to stop, and prints one JSON line with the addresses it
//! listens on once it does.

use std::process::ExitCode;

use standin::Config;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standin: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: standin CONFIG.json")?;
    let content = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let config: Config =
        serde_json::from_slice(&content).map_err(|error| format!("{}: {error}", path.display()))?;
    let handle = standin::run(config).await?;
    println!(r#"{{"coder":"http://{}","kube":"https://{}"}}"#, handle.coder(), handle.kube());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
