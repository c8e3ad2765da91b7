//! README.md and docs/operating.md are true: every command in them is run, and what they show is compared with what is printed.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::server::{GRANTD, PATIENCE, Scratch, Server};

/// A command of the documents and the lines shown below it.
#[derive(Debug)]
struct Step {
    command: String,
    shown: Vec<String>,
}

/// Both documents, as one.
fn documents() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["README.md", "docs/operating.md"].map(|name| fs::read_to_string(root.join(name)).unwrap()).concat()
}

/// The bodies of a document's blocks of this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in blocks(text, "console") {
        let joined = block.replace("\\\n", " ");
        for line in joined.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                None => steps.last_mut().unwrap().shown.push(line.to_owned()),
            }
        }
    }
    steps
}

/// Times differ from run to run, and the widths of columns with them.
fn normal(line: &str) -> String {
    let word = |word: &str| {
        let time = word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
        if time { "TIME".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether the printed lines are the shown ones, where `...` means any number of lines, or a part of one.
fn fits(shown: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return printed.is_empty() };
    if first.trim() == "..." {
        return (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..]));
    }
    let Some((line, others)) = printed.split_first() else { return false };
    let (line, first) = (normal(line), normal(first));
    let same = match first.split_once("...") {
        Some((beginning, end)) => line.starts_with(beginning.trim()) && line.ends_with(end.trim()),
        None => line == first,
    };
    same && fits(rest, others)
}

fn is_server(command: &str) -> bool {
    command.contains("-- serve") || command.starts_with("grantd serve")
}

/// Whether it can run beside the first one.
fn has_a_directory_of_its_own(server: &Step) -> bool {
    server.command.contains("--data-dir")
}

/// The ports of this host may be taken.
fn at_any_port(command: &str) -> String {
    let word = |word: &str| match word.strip_prefix("127.0.0.1:") {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => "127.0.0.1:0".to_owned(),
        Some(_) | None => word.to_owned(),
    };
    command.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Writes the files that the documents show: those whose first line is their name.
fn write_files(scratch: &Scratch, text: &str, adapt: impl Fn(&str) -> String) {
    for block in blocks(text, "yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file has a name");
        fs::write(scratch.file(name), adapt(&block)).unwrap();
    }
}

/// A folder with the programs the documents call: `grantd`, and `cargo run --release --`, which is the same.
fn programs(scratch: &Scratch) -> String {
    let folder = scratch.file("bin");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(GRANTD, folder.join("grantd")).unwrap();
    let cargo = folder.join("cargo");
    fs::write(&cargo, "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --release --' ] || exit 99\nshift 3\nexec grantd \"$@\"\n")
        .unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

fn shell(scratch: &Scratch, path: &str, script: &str) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .current_dir(scratch.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", scratch.path())
        .env("GRANTD_LISTEN", "127.0.0.1:0")
        .env("GRANTD_OBSERVE_LISTEN", "127.0.0.1:0")
        .env("GRANTD_ADMIN_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null());
    command
}

/// A server, until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server as the documents say, and waits until it prints the next command.
fn start(scratch: &Scratch, path: &str, command: &str, log: &str) -> Running {
    let out = scratch.file(log);
    let child = shell(scratch, path, &format!("exec {}", at_any_port(command)))
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(scratch.file(&format!("{log}.err"))).unwrap())
        .spawn()
        .unwrap();
    let mut server = Running(child);
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&out).unwrap().contains("token issue") {
        let said = || fs::read_to_string(scratch.file(&format!("{log}.err"))).unwrap();
        assert!(server.0.try_wait().unwrap().is_none(), "{command}: {}", said());
        assert!(Instant::now() <= deadline, "{command} did not start: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

#[test]
fn the_quick_start_prints_what_the_readme_shows() {
    let scratch = Scratch::new();
    let path = programs(&scratch);
    let text = documents();
    write_files(&scratch, &text, str::to_owned);
    let steps = steps(&text);
    let (servers, others): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| is_server(&step.command));
    assert!(others.len() >= 8, "the README shows fewer commands than a quick start has");
    // With what is configured for tests the first one listens for kubectl too, as the second one of the README does.
    let needed = servers.iter().enumerate().filter(|(number, step)| *number == 0 || has_a_directory_of_its_own(step));
    let running: Vec<Running> =
        needed.map(|(number, step)| start(&scratch, &path, &step.command, &format!("server-{number}"))).collect();
    assert_eq!(running.len(), 2);

    let mark = "@@@ next command";
    let script: String = others.iter().map(|step| format!("echo '{mark}'\n{}\n", step.command)).collect();
    let output = shell(&scratch, &path, &format!("exec 2>&1\n{script}")).output().unwrap();
    drop(running);

    let printed = String::from_utf8(output.stdout).unwrap();
    let sections: Vec<&str> = printed.split(&format!("{mark}\n")).skip(1).collect();
    assert_eq!(sections.len(), others.len(), "{printed}");
    for (step, section) in others.iter().zip(sections) {
        let lines: Vec<&str> = section.lines().collect();
        assert!(
            fits(&step.shown, &lines),
            "$ {}\nshown:\n{}\nprinted:\n{section}",
            step.command,
            step.shown.join("\n")
        );
    }
}

#[test]
fn the_servers_of_the_readme_start() {
    let donor = Server::start();
    let scratch = Scratch::new();
    let path = programs(&scratch);
    let text = documents();
    let ca = donor.data_dir.join("issuers/default/skupper-site-ca");
    let here = |text: &str| {
        text.replace("/var/lib/skupper/namespaces/west/runtime/issuers/skupper-site-ca", ca.to_str().unwrap())
            .replace("/etc/grantd/west", ca.to_str().unwrap())
    };
    write_files(&scratch, &text, here);
    let servers: Vec<Step> = steps(&text).into_iter().filter(|step| is_server(&step.command)).collect();
    assert!(servers.len() >= 5);
    for (number, step) in servers.iter().enumerate() {
        drop(start(&scratch, &path, &here(&step.command), &format!("server-{number}")));
    }
}

#[test]
fn the_configuration_and_metrics_tables_are_complete() {
    let text = documents();
    let help = Command::new(GRANTD).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    for flag in flags.filter(|flag| *flag != "--help") {
        let flag = flag.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        assert!(text.contains(flag), "no document mentions {flag}");
    }
    let server = Server::start();
    let metrics = server.observe("/metrics").1;
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE grantd_")) {
        let name = format!("grantd_{}", name.split(' ').next().unwrap());
        assert!(text.contains(&name), "no document mentions {name}");
    }
    for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|w| w.starts_with("grantd_")) {
        assert!(metrics.contains(name), "a document mentions {name}, which does not exist");
    }
}

#[test]
fn the_matcher_takes_dots_for_lines_and_for_the_rest_of_one() {
    let shown = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(fits(&shown(&["a", "...", "d"]), &["a", "b", "c", "d"]));
    assert!(fits(&shown(&["a  b...", "2026-01-02T03:04:05Z"]), &["a b c", "2027-01-02T03:04:05Z"]));
    assert!(!fits(&shown(&["a"]), &["a", "b"]));
    assert!(!fits(&shown(&["a", "b"]), &["a"]));
}
