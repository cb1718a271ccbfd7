//! `wellspring notify NAME|all`: sends a test message and says what came back.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use wellspring_core::diagnostic::nearest;

use super::{BAD_CONFIG, configured, output, runtime};
use crate::app;
use crate::clock::{Clock as _, SystemClock};
use crate::notify::{Message, send};

/// Sends to one, or to all.
pub(super) fn run(config: Option<&Path>, name: &str) -> ExitCode {
    let (config, runtime) = match configured(config).and_then(|(config, _)| Ok((config, runtime()?))) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    let sending = async {
        let fetcher = app::fetcher(&config).map_err(|error| (ExitCode::FAILURE, error.to_string()))?;
        let hooks = app::hooks(&config, &fetcher).map_err(|error| (ExitCode::FAILURE, error.to_string()))?;
        let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
        if names.is_empty() {
            return Err((ExitCode::from(BAD_CONFIG), "nobody is told: there is no [[notify]] in the config".to_owned()));
        }
        if name != "all" && !names.contains(&name) {
            let help = nearest(name, names.iter().copied())
                .map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
            return Err((ExitCode::from(BAD_CONFIG), format!("there is no [[notify]] called `{name}`; {help}")));
        }
        let (mut told, mut failed) = (String::new(), false);
        for hook in hooks.iter().filter(|hook| name == "all" || hook.name == name) {
            let message = Message::test(&hook.name, SystemClock.now().wall, &app::base(config.server.listen));
            let came = match send(hook, &message).await {
                Ok(status) => format!("taken ({status})"),
                Err(error) => {
                    failed = true;
                    format!("NOT taken: {error}")
                }
            };
            let _ = writeln!(told, "{} ({}): {came}", hook.name, hook.receiver.as_str());
        }
        fetcher.close().await;
        Ok((told, failed))
    };
    match runtime.block_on(sending) {
        Ok((told, failed)) => {
            let printed = output::print(told);
            if failed { ExitCode::FAILURE } else { printed }
        }
        Err((code, error)) => {
            eprintln!("error: {error}");
            code
        }
    }
}
