//! One measurement: wrk on core 1, and what the server computed meanwhile.

use std::process::Command;

use super::servers::Server;

/// How long one takes.
pub(super) const SECONDS: u32 = 3;

/// What came of it.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// µs of the server's CPU a request, user and system.
    pub(super) cpu: f64,
    /// Requests a second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
}

impl Load {
    /// The median of each figure.
    pub(super) fn median(runs: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
        };
        Self { cpu: middle(|r| r.cpu), rate: middle(|r| r.rate), p50: middle(|r| r.p50), p99: middle(|r| r.p99) }
    }
}

/// Loads a server.
pub(super) fn run(server: &Server, path: &str, header: &str, connections: u32) -> Result<Load, String> {
    let mut wrk = Command::new("taskset");
    wrk.args(["-c", "1", "wrk", "--latency", "-t1", &format!("-c{connections}"), &format!("-d{SECONDS}s")]);
    if !header.is_empty() {
        wrk.args(["-H", header]);
    }
    let before = server.cpu();
    let output = wrk.arg(format!("http://127.0.0.1:{}{path}", server.port)).output().map_err(|error| error.to_string())?;
    let cpu = server.cpu().saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = read(&said).ok_or_else(|| format!("{}: wrk said {said}", server.name))?;
    Ok(Load { cpu: cpu.as_secs_f64() * 1e6 / read.0, rate: read.1, p50: read.2, p99: read.3 })
}

/// Requests, requests a second, p50 and p99 in milliseconds.
fn read(said: &str) -> Option<(f64, f64, f64, f64)> {
    if said.contains("Non-2xx") {
        return None;
    }
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())?;
    let after = |label: &str| said.lines().find_map(|line| line.trim().strip_prefix(label).map(str::trim));
    Some((requests, after("Requests/sec:")?.parse().ok()?, milliseconds(after("50%")?)?, milliseconds(after("99%")?)?))
}

fn milliseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let factor = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n * factor)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_wrk_says_is_understood() {
        let said = "  Latency Distribution\n     50%  446.00us\n     75%  470.00us\n     90%    0.92ms\n     99%    1.12s \n  \
                    414110 requests in 3.10s, 0.94GB read\nRequests/sec: 133589.12\nTransfer/sec:    310.17MB\n";
        assert_eq!(read(said), Some((414_110.0, 133_589.12, 0.446, 1_120.0)));
        assert_eq!(read("  Non-2xx or 3xx responses: 3\n"), None);
    }
}
