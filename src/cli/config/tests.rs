//! Precedence, defaults, and every fault at once.

use clap::CommandFactory;

use super::*;
use crate::cli::args::Cli;

/// A configuration asked for with these flags, variables and file.
struct Asked<'a> {
    flags: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

const NOTHING: Asked<'static> = Asked { flags: &[], environment: &[("HOME", "/home/u")], file: None };

impl Asked<'_> {
    fn resolve(&self) -> Result<ServeConfig, ConfigError> {
        let scratch = std::env::temp_dir().join(format!("grantd-config-{}.yaml", uuid::Uuid::new_v4()));
        let mut flags: Vec<OsString> = ["grantd", "serve"].map(OsString::from).to_vec();
        flags.extend(self.flags.iter().map(OsString::from));
        if let Some(text) = self.file {
            std::fs::write(&scratch, text).unwrap();
            flags.extend(["--config".into(), scratch.clone().into_os_string()]);
        }
        let matches = Cli::command().try_get_matches_from(flags).unwrap();
        let environment =
            |name: &str| self.environment.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let surroundings = Surroundings { environment: &environment, host_name: "Build-Host.example.com".to_owned() };
        let resolved = resolve(matches.subcommand_matches("serve").unwrap(), &surroundings);
        let _ = std::fs::remove_file(&scratch);
        resolved
    }

    /// The faults, without the file's name.
    fn faults(&self) -> Vec<String> {
        self.resolve().unwrap_err().faults.iter().map(ToString::to_string).collect()
    }
}

fn faults_of_flags(flags: &[&str]) -> Vec<String> {
    Asked { flags, ..NOTHING }.faults()
}

fn faults_of_file(file: &str) -> Vec<String> {
    Asked { file: Some(file), ..NOTHING }.faults()
}

fn port(number: u16) -> crate::link::Port {
    number.try_into().unwrap()
}

#[test]
fn with_nothing_configured_there_is_a_site_and_safe_defaults() {
    let config = NOTHING.resolve().unwrap();
    assert_eq!(config.data_dir, Path::new("/home/u/.local/share/grantd"));
    assert_eq!(
        (config.listen.to_string(), config.observe_listen.to_string()),
        ("0.0.0.0:9090".into(), "127.0.0.1:9091".into())
    );
    assert_eq!((config.public_url, config.tls), (None, None));
    assert_eq!(config.certificate_validity.as_secs(), 5 * 365 * 24 * 3600);
    assert_eq!(config.limits.max_body_bytes, 1024);
    let [site] = config.sites.as_slice() else { panic!("{:?}", config.sites) };
    assert_eq!(
        (site.name.as_str(), site.namespace.as_str(), site.default_issuer.as_str()),
        ("build-host", "default", "skupper-site-ca")
    );
    assert_eq!(site.endpoints, SiteEndpoints::OnThisHost { inter_router: port(55671), edge: port(45671) });
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = "listen: 10.0.0.3:3\nobserveListen: 10.0.0.3:33\nretention: 3h\n";
    let environment = [("HOME", "/h"), ("GRANTD_LISTEN", "10.0.0.2:2"), ("GRANTD_OBSERVE_LISTEN", "10.0.0.2:22")];
    let config =
        Asked { flags: &["--listen", "10.0.0.1:1"], environment: &environment, file: Some(file) }.resolve().unwrap();
    assert_eq!(config.listen.to_string(), "10.0.0.1:1");
    assert_eq!(config.observe_listen.to_string(), "10.0.0.2:22");
    assert_eq!(config.retention, 3 * HOUR);
    assert_eq!(config.limits.drain_deadline, 25 * SECOND);
}

#[test]
fn a_retry_window_is_up_to_an_hour_and_none_by_default() {
    let window =
        |flag| Asked { flags: &["--retry-window", flag], ..NOTHING }.resolve().map(|config| config.retry_window);
    assert_eq!(NOTHING.resolve().unwrap().retry_window, Duration::ZERO);
    assert_eq!(window("1h").unwrap(), HOUR);
    assert!(window("61m").is_err());
}

#[test]
fn the_environment_can_name_the_file_and_an_empty_variable_is_not_set() {
    let environment = [("HOME", "/h"), ("GRANTD_CONFIG", "/nowhere/grantd.yaml"), ("GRANTD_LISTEN", "")];
    let faults = Asked { environment: &environment, ..NOTHING }.faults();
    assert_eq!(faults, ["--config: cannot read /nowhere/grantd.yaml: No such file or directory (os error 2)"]);
}

#[test]
fn the_global_data_directory_is_found_before_and_after_the_command() {
    let config =
        Asked { flags: &["--data-dir", "/flag"], file: Some("dataDir: /file\n"), ..NOTHING }.resolve().unwrap();
    assert_eq!(config.data_dir, Path::new("/flag"));
    let matches = Cli::command().try_get_matches_from(["grantd", "--data-dir", "/flag", "serve"]).unwrap();
    let surroundings = Surroundings { environment: &|_| None, host_name: String::new() };
    let config = resolve(matches.subcommand_matches("serve").unwrap(), &surroundings).unwrap();
    assert_eq!((config.data_dir.as_path(), config.sites[0].name.as_str()), (Path::new("/flag"), "grantd"));
}

#[test]
fn every_argument_is_named_alike_as_flag_and_variable() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for argument in serve.get_arguments() {
        let id = argument.get_id().as_str();
        assert_eq!(argument.get_long().unwrap(), id.replace('_', "-"));
        assert_eq!(argument.get_env().unwrap(), format!("GRANTD_{}", id.to_uppercase()).as_str());
    }
}

#[test]
fn the_defaults_that_the_help_states_are_the_defaults() {
    let command = Cli::command();
    let mut flags = Vec::new();
    for argument in command.find_subcommand("serve").unwrap().get_arguments() {
        let help = argument.get_help().unwrap().to_string();
        let stated = help.split_once("[default: ").map(|(_, rest)| rest.trim_end_matches(']').to_owned());
        // Defaults in words depend on the host.
        if let Some(value) =
            stated.filter(|value| !value.contains(' ') && !["self-made", "none"].contains(&value.as_str()))
        {
            flags.extend([format!("--{}", argument.get_long().unwrap()), value]);
        }
    }
    assert_eq!(flags.len(), 2 * 22, "{flags:?}");
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(Asked { flags: &flags, ..NOTHING }.resolve().unwrap(), NOTHING.resolve().unwrap());
}

#[test]
fn every_fault_is_reported_at_once_with_its_origin() {
    let file = "listne: x\nretention: soon\nlimits:\n  maxBodyBytes: 99999\n  colour: red\nsites:\n  - name: A\n    endpoints:\n      - {name: edge, host: a.example.com, port: 0}\n";
    let faults = Asked {
        flags: &["--listen", "9090", "--tls-cert", "c.pem"],
        environment: &[("HOME", "/h"), ("GRANTD_PUBLIC_URL", "http://a")],
        file: Some(file),
    }
    .faults();
    assert_eq!(
        faults,
        [
            "--listen: must be an IP address and a port, such as 0.0.0.0:9090 or [::]:9090; got \"9090\"",
            "GRANTD_PUBLIC_URL: must start with https://; got \"http://a\"",
            "--tls-key: is missing (tls.keyFile in the file); give all three of certificate, key and CA, or none",
            "--tls-ca: is missing (tls.caFile in the file); give all three of certificate, key and CA, or none",
            "line 2: retention: must be a duration, written as in 90s or 1h30m, from 0s to 87600h0m0s; got \"soon\"",
            "line 4: limits.maxBodyBytes: must be a whole number from 1 to 16384; got \"99999\"",
            "line 7: sites[0].name: must consist of lower case letters, digits, '-' or '.', and start and end with a letter or digit (for example 'my-site'); got \"A\"",
            "line 9: sites[0].endpoints[0].port: must be a port between 1 and 65535; got \"0\"",
            "line 1: listne: is not a known field; known here are adminListen, caKeyType, caOverlap, certificateValidity, clientKeyType, dataDir, database, databaseInsecure, databasePasswordFile, diskReserveBytes, drainTimeout, limits, listen, log, logFormat, maxBytesPerNamespace, maxObjectsPerNamespace, observeListen, proxyProtocolFrom, publicUrl, retention, retryWindow, sites, tls",
            "line 5: limits.colour: is not a known field; known here are handshakeDeadline, maxBodyBytes, maxConnections, maxConnectionsPerPeer, maxHandshakes, maxHeaderBytes, maxHeaders, requestDeadline",
        ]
    );
}

#[test]
fn the_report_counts_the_faults_and_names_the_file() {
    let error = Asked { file: Some("log: loud\n"), ..NOTHING }.resolve().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the configuration has a fault:\n  "), "{text}");
    assert!(text.contains(&format!("{}, line 1: log: must be error", error.file.unwrap().display())), "{text}");
}

#[test]
fn a_fault_of_a_flag_says_what_is_valid() {
    let table: &[(&[&str], &str)] = &[
        (&["--observe-listen", "0.0.0.0:9090"], "--observe-listen: must differ from --listen; both are 0.0.0.0:9090"),
        (
            &["--issuer-cert", "x"],
            "--issuer-cert: needs its counterpart: give both --issuer-cert and --issuer-key, or neither",
        ),
        (&["--link-host", "a,b:1"], "--link-host: must be a host name or an IP address, without a port; got \"b:1\""),
        (&["--edge-port", "65536"], "--edge-port: must be a port between 1 and 65535; got \"65536\""),
        (
            &["--client-key-type", "dsa"],
            "--client-key-type: must be 'ecdsa-p256', 'rsa-2048', 'rsa-3072' or 'ed25519'; got \"dsa\"",
        ),
        (&["--ca-key-type", "ed25519"], "--ca-key-type: must be 'ecdsa-p256' or 'rsa-2048'; got \"ed25519\""),
        (
            &["--certificate-validity", "1d"],
            "--certificate-validity: must be a duration, written as in 90s or 1h30m, from 1h0m0s to 87600h0m0s; got \"1d\"",
        ),
        (
            &["--max-header-bytes", "4096"],
            "--max-header-bytes: must be a whole number from 8192 to 65536; got \"4096\"",
        ),
        (&["--log-format", "xml"], "--log-format: must be auto, text or json; got \"xml\""),
        (
            &["--tls-cert", ""],
            "--tls-key: is missing (tls.keyFile in the file); give all three of certificate, key and CA, or none",
        ),
    ];
    for (flags, message) in table {
        assert_eq!(faults_of_flags(flags)[0], *message);
    }
    let namespace = faults_of_flags(&["-n", "Test5"]);
    assert!(namespace[0].starts_with("--namespace: must consist of lower case letters"), "{namespace:?}");
}

#[test]
fn a_fault_of_the_file_says_where_and_why() {
    let table = [
        ("- a\n", "--config: must be fields with values, such as 'name: my-site'"),
        ("tls: yes\n", "line 1: tls: must be fields with values"),
        ("listen: [a]\n", "line 1: listen: must be a single value"),
        ("sites: {}\n", "line 1: sites: must be a list, each item beginning with '- '"),
        ("sites: []\n", "--config: 'sites' must list at least one site, or be left out"),
        ("sites: west\n", "line 1: sites: must be a list, each item beginning with '- '"),
        ("sites:\n  - west\n", "line 2: sites[0]: must be fields with values, such as 'name: my-site'"),
        ("sites:\n  - namespace: west\n", "line 2: sites[0].name: is missing"),
        ("sites:\n  - name:\n", "line 2: sites[0].name: is missing"),
        (
            "sites:\n  - {name: a, namespace: w}\n  - {name: b, namespace: w}\n",
            "line 3: sites[1]: namespace w has a site already; one site a namespace",
        ),
        ("sites:\n  - {name: a, edge: maybe}\n", "line 2: sites[0].edge: must be true or false; got \"maybe\""),
        (
            "sites:\n  - {name: a, defaultIssuer: x}\n",
            "line 2: sites[0].defaultIssuer: must be one of the site's issuers: skupper-site-ca; got \"x\"",
        ),
        (
            "sites:\n  - name: a\n    issuers:\n      - {name: i, certFile: c}\n",
            "line 4: sites[0].issuers[0].keyFile: is missing",
        ),
        (
            "sites:\n  - name: a\n    issuers:\n      - {name: i, certFile: c, keyFile: }\n",
            "line 4: sites[0].issuers[0].keyFile: is missing",
        ),
        (
            "sites:\n  - name: a\n    endpoints:\n      - {name: other, host: h, port: 1}\n",
            "line 4: sites[0].endpoints[0].name: must be 'inter-router' or 'edge'; got \"other\"",
        ),
    ];
    for (file, message) in table {
        assert_eq!(faults_of_file(file)[0], message, "{file}");
    }
}

#[test]
fn what_is_not_yaml_is_reported_with_its_line_and_without_its_text() {
    let faults = faults_of_file("listen: x\nretention: {canary: [\n");
    assert!(faults[0].starts_with("--config: ") && faults[0].contains("line 2"), "{faults:?}");
    assert!(!faults[0].contains("canary"), "{faults:?}");
    assert_eq!(faults_of_file("listen: 10.0.0.1:1\nlisten: 10.0.0.1:2\n").len(), 1);
}

#[test]
fn a_table_or_field_without_a_value_counts_as_not_set() {
    let file = "tls:\nlimits: {}\nlisten:\nsites:\n";
    for text in [file, ""] {
        let found = Asked { file: Some(text), ..NOTHING }.resolve().unwrap();
        assert_eq!(ServeConfig { file: None, ..found }, NOTHING.resolve().unwrap());
    }
}

#[test]
fn flags_for_a_site_do_not_mix_with_sites_in_the_file() {
    let faults = Asked { flags: &["--site-name", "a"], file: Some("sites: [{name: b}]\n"), ..NOTHING }.faults();
    assert_eq!(faults, ["--site-name: cannot be combined with 'sites' in the file; say it there"]);
}

#[test]
fn a_site_by_flags_has_both_endpoints_at_each_host() {
    let config = Asked {
        flags: &[
            "--link-host",
            "a",
            "--link-host",
            "10.1.1.1",
            "--edge-port",
            "7",
            "--issuer-cert",
            "c",
            "--issuer-key",
            "k",
        ],
        ..NOTHING
    }
    .resolve()
    .unwrap();
    let SiteEndpoints::Listed(endpoints) = &config.sites[0].endpoints else { panic!("{config:?}") };
    let written: Vec<_> =
        endpoints.iter().map(|e| format!("{} {} {}:{}", e.group, e.name.as_str(), e.host, e.port)).collect();
    assert_eq!(
        written,
        [
            "skupper-router inter-router a:55671",
            "skupper-router edge a:7",
            "skupper-router-2 inter-router 10.1.1.1:55671",
            "skupper-router-2 edge 10.1.1.1:7"
        ]
    );
    assert_eq!(config.sites[0].issuers.len(), 1);
}

#[test]
fn the_file_of_the_handbook_is_understood() {
    let file = r#"
publicUrl: https://grants.example.com:9090
sites:
  - name: my-site
    namespace: west
    issuers:
      - {name: skupper-site-ca, certFile: /etc/grantd/west/tls.crt, keyFile: /etc/grantd/west/tls.key}
    endpoints:
      - {group: skupper-router, name: inter-router, host: west.example.com, port: "55671"}
      - {group: skupper-router, name: edge, host: west.example.com, port: 45671}
  - {name: leaf, namespace: east, edge: true}
"#;
    let config = Asked { file: Some(file), ..NOTHING }.resolve().unwrap();
    assert_eq!(config.public_url.unwrap().to_string(), "https://grants.example.com:9090");
    let [west, east] = config.sites.as_slice() else { panic!() };
    let SiteEndpoints::Listed(endpoints) = &west.endpoints else { panic!() };
    assert_eq!((endpoints.len(), endpoints[1].port), (2, port(45671)));
    assert_eq!(west.issuers[0].key_file, Path::new("/etc/grantd/west/tls.key"));
    assert!(east.edge && east.issuers.is_empty() && east.endpoints == SiteEndpoints::Listed(Vec::new()));
}

#[test]
fn no_data_directory_at_all_is_a_fault() {
    let faults = Asked { environment: &[], ..NOTHING }.faults();
    assert_eq!(
        faults,
        ["--data-dir: must be given, because neither STATE_DIRECTORY nor XDG_DATA_HOME nor HOME is set"]
    );
}

fn postgres(flags: &[&str], environment: &[(&str, &str)]) -> Result<PostgresConfig, Vec<String>> {
    let home = [("HOME", "/home/u")];
    let asked = Asked { flags, environment: &[&home, environment].concat(), file: None };
    match asked.resolve().map(|config| config.database) {
        Ok(DatabaseConfig::Postgres(config)) => Ok(*config),
        Ok(DatabaseConfig::Sqlite) => panic!("SQLite"),
        Err(error) => Err(error.faults.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn the_store_is_in_the_data_directory_unless_a_database_is_named() {
    assert_eq!(NOTHING.resolve().unwrap().database, DatabaseConfig::Sqlite);
    let config = postgres(&["--database", "postgres://g@db/d", "--database-password-file", "/p"], &[]).unwrap();
    assert_eq!(
        (config.address.to_string(), config.password_file),
        ("postgres://g@db:5432/d".into(), Some("/p".into()))
    );
}

#[test]
fn a_password_in_a_url_is_for_the_environment_and_is_in_no_fault() {
    let url = "postgres://g:canary@db/d";
    let config = postgres(&[], &[("GRANTD_DATABASE", url)]).unwrap();
    assert_eq!(config.address.password.as_ref().unwrap().expose(), "canary");
    assert!(!format!("{config:?}").contains("canary"));
    for (flags, environment) in [
        (&["--database", url][..], &[][..]),
        (&["--database-password-file", "/p"], &[("GRANTD_DATABASE", url)]),
        (&[], &[("GRANTD_DATABASE", "postgres://g:canary@")]),
        (&[], &[("GRANTD_DATABASE", "postgres://g:canary@db/d?sslmode=disable")]),
    ] {
        let faults = postgres(flags, environment).unwrap_err();
        assert!(faults.len() == 1 && !faults[0].contains("canary"), "{faults:?}");
    }
}

#[test]
fn a_connection_that_is_not_verified_is_asked_for_twice() {
    let url = "postgres://g@db/d?sslmode=require";
    assert!(postgres(&["--database", url], &[]).unwrap_err()[0].contains("--database-insecure"));
    for flags in [
        &["--database", url, "--database-insecure"][..],
        &["--database", url, "--database-insecure=true"],
        &["--database", "postgres://g@127.0.0.1/d?sslmode=require"],
    ] {
        assert!(postgres(flags, &[]).is_ok(), "{flags:?}");
    }
    assert!(postgres(&["--database", url], &[("GRANTD_DATABASE_INSECURE", "true")]).is_ok());
    assert!(postgres(&["--database", url, "--database-insecure=false"], &[]).is_err());
}
