//! The password of the database: where it may be, and that it is in no other place.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    cluster::{Database, shared},
    start::refused,
};
use crate::server::{Scratch, Server, grantd};

fn private(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_password(database: &Database<'_>) -> String {
    database.url().replace("postgres@", &format!("postgres:{}@", shared().password()))
}

/// Starts a server after this command of the shell, and looks for the password in everything that it says and writes.
fn starts_without_a_word(database: &Database<'_>, shell: &str, arguments: &[&str]) {
    let server = Server::start_under(shell, &[arguments, &["--log", "trace"]].concat());
    assert!(server.banner.contains(&format!("database  {}\n", database.url())), "{}", server.banner);
    let noted = fs::read_to_string(server.data_dir.join("database.url")).unwrap();
    for text in [&server.banner, &server.log(), &noted] {
        assert!(!text.contains(shared().password()), "{shell}: the password is in\n{text}");
    }
}

#[test]
fn a_password_comes_from_the_environment_or_a_private_file() {
    let (password, scratch) = (shared().password(), Scratch::new());
    let file = private(&scratch.file("password"), &format!("{password}\n"));
    let passfile = private(&scratch.file("passfile"), &format!("127.0.0.1:*:*:postgres:{password}\n"));
    for (shell, arguments) in [
        (format!("export PGPASSWORD={password}"), &[][..]),
        (format!("export PGPASSFILE={passfile}"), &[]),
        (":".to_owned(), &["--database-password-file", &file]),
    ] {
        let database = shared().create_database();
        starts_without_a_word(&database, &shell, &[&["--database", &database.url()], arguments].concat());
    }

    let database = shared().create_database();
    starts_without_a_word(&database, &format!("export GRANTD_DATABASE={}", with_password(&database)), &[]);
    let help = grantd(["serve", "--help"]).env("GRANTD_DATABASE", with_password(&database)).output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains(password));

    let database = shared().create_database();
    let endpoints = "endpoints: [{name: inter-router, host: west.example.com, port: 55671}]";
    let text = format!("database: {}\nsites: [{{name: west, {endpoints}}}]\n", with_password(&database));
    let config = private(&scratch.file("grantd.yaml"), &text);
    starts_without_a_word(&database, ":", &["--config", &config]);
}

#[test]
fn a_password_is_refused_where_others_can_read_it_and_never_printed() {
    let (database, scratch) = (shared().create_database(), Scratch::new());
    let url = database.url().replace("postgres@", "postgres:canary-in-url@");
    let file = scratch.file("password");
    private(&file, "canary-in-file\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let config = scratch.file("grantd.yaml");
    private(&config, &format!("database: {url}\n"));
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let (file, config, plain) = (file.to_str().unwrap(), config.to_str().unwrap(), database.url());
    let broken = url.replace("canary-in-url@", "canary@in-url@");

    for (arguments, sentence) in [
        (vec!["--database", &url], "PGPASSWORD"),
        (vec!["--database", &url], "PGPASSFILE"),
        (vec!["--database", &url], "--database-password-file"),
        (vec!["--database", &broken], "write it as %40"),
        (vec!["--database", &plain, "--database-password-file", file], "chmod 600"),
        (vec!["--config", config], "change the mode of the file to 0600"),
        (vec!["--database-password-file", file], "is of use only with --database"),
    ] {
        let said = refused(&scratch, &arguments, &[]);
        assert!(said.contains(sentence), "{arguments:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let said = refused(&scratch, &[], &[("GRANTD_DATABASE", "postgres://u:canary@db/d?sslmode=require")]);
    assert!(said.contains("use sslmode=verify-full") && !said.contains("canary"), "{said}");
    assert!(!scratch.file("data").exists());
}
