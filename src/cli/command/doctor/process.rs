//! The running server, and the limits of its process.

use std::{fs, io};

use tokio::net::UnixStream;

use crate::cli::{config::ServeConfig, data_dir::DataDir, findings::Finding, serve::needed_files};

pub(super) async fn check(config: &ServeConfig) -> Vec<Finding> {
    const CHECK: &str = "server";
    let socket = DataDir::admin_socket_of(&config.data_dir);
    match UnixStream::connect(&socket).await {
        Ok(stream) => {
            let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
            let Some(pid) = pid else { return vec![Finding::ok(CHECK, "it runs")] };
            let mut findings = vec![Finding::ok(CHECK, format!("it runs, as process {pid}"))];
            // A process in another PID namespace, as in a container, cannot be looked at.
            if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/limits")) {
                findings.extend(limits(&text, config));
            }
            findings
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let message = format!("not permitted to connect to {}", socket.display());
            vec![Finding::fail(CHECK, message, "run this as the user that grantd runs as, or as root")]
        }
        Err(_) => {
            let own = fs::read_to_string("/proc/self/limits").unwrap_or_default();
            let mut findings = vec![Finding::ok(CHECK, "it does not run; the limits are those of this shell")];
            findings.extend(limits(&own, config));
            findings
        }
    }
}

fn limits(text: &str, config: &ServeConfig) -> Vec<Finding> {
    let needed = needed_files(&config.limits, config.admin_listen.is_some());
    // The server raises the soft limit to the hard one.
    let open_files = of(text, "Max open files").map(|hard| match hard {
        Some(hard) if hard < needed => Finding::warn(
            "open files",
            format!("at most {hard}, and {needed} may be needed"),
            format!("raise the limit (LimitNOFILE={needed} in systemd, ulimit -Hn), or lower --max-connections"),
        ),
        Some(hard) => Finding::ok("open files", format!("at most {hard}")),
        None => Finding::ok("open files", "without a limit"),
    });
    let core = of(text, "Max core file size").map(|hard| match hard {
        Some(0) => Finding::ok("core dumps", "none"),
        Some(_) | None => Finding::fail("core dumps", "a core dump would hold keys and codes", "start grantd again"),
    });
    [open_files, core].into_iter().flatten().collect()
}

/// The hard limit of this name; `Some(None)` when there is none.
fn of(text: &str, name: &str) -> Option<Option<u64>> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let hard = line.split_whitespace().nth(1)?;
    if hard == "unlimited" { Some(None) } else { hard.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max core file size        0                    unlimited            bytes     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(of(text, "Max open files"), Some(Some(524_288)));
        assert_eq!(of(text, "Max core file size"), Some(None));
        assert_eq!(of(text, "Max stack size"), None);
    }
}
