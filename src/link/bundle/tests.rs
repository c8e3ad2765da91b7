use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nTGVhZg==\n-----END CERTIFICATE-----\n";
const CA: &str = "-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\ncanary==\n-----END PRIVATE KEY-----\n";

fn endpoint(group: &str, name: &str, host: &str, port: u16) -> Endpoint {
    Endpoint {
        group: group.parse().unwrap(),
        name: name.parse().unwrap(),
        host: host.parse().unwrap(),
        port: port.try_into().unwrap(),
    }
}

fn site(endpoints: Vec<Endpoint>) -> Site {
    Site { namespace: "west".parse().unwrap(), name: "my-site".parse().unwrap(), edge: false, endpoints }
}

fn one_group() -> Site {
    site(vec![
        endpoint("skupper-router", "inter-router", "10.1.1.1", 55671),
        endpoint("skupper-router", "edge", "::1", 45671),
    ])
}

fn two_groups() -> Site {
    site(vec![
        endpoint("two", "inter-router", "b.example.com", 1),
        endpoint("one", "inter-router", "a.example.com", 2),
        endpoint("two", "edge", "b.example.com", 3),
    ])
}

fn written(name: &str, site: &Site) -> String {
    let name = name.parse().unwrap();
    let parts = BundleParts { name: &name, ca_pem: CA, certificate_pem: CERTIFICATE, key: Some(KEY), site };
    String::from_utf8(write_bundle(&parts).to_vec()).unwrap()
}

#[test]
fn a_bundle_is_a_secret_and_a_link_in_skuppers_form() {
    let [ca, certificate, key] = [CA, CERTIFICATE, KEY].map(|pem| STANDARD.encode(pem));

    assert_eq!(
        written("my-token", &one_group()),
        format!(
            r#"---
apiVersion: v1
data:
  ca.crt: "{ca}"
  tls.crt: "{certificate}"
  tls.key: "{key}"
kind: Secret
metadata:
  name: "my-token"
type: kubernetes.io/tls
---
apiVersion: skupper.io/v2alpha1
kind: Link
metadata:
  name: "my-token"
spec:
  endpoints:
  - group: "skupper-router"
    host: "10.1.1.1"
    name: inter-router
    port: "55671"
  - group: "skupper-router"
    host: "::1"
    name: edge
    port: "45671"
  tlsCredentials: "my-token"
"#
        )
    );
}

#[test]
fn several_groups_become_numbered_links_sorted_by_group() {
    let bundle = Bundle::read(written("t", &two_groups()).as_bytes()).unwrap();

    let links: Vec<_> = bundle.links.iter().map(|l| (l.name.as_str(), l.endpoints[0].host.as_str())).collect();
    assert_eq!(links, [("t-1", "a.example.com"), ("t-2", "b.example.com")]);
    assert_eq!(bundle.links[1].endpoints.len(), 2);
    assert!(bundle.links.iter().all(|link| link.tls_credentials.as_str() == "t"));
}

#[test]
fn a_client_with_its_own_key_is_sent_none() {
    let (name, site) = ("t".parse().unwrap(), one_group());
    let parts = BundleParts { name: &name, ca_pem: CA, certificate_pem: CERTIFICATE, key: None, site: &site };

    let bytes = write_bundle(&parts);

    assert!(!String::from_utf8_lossy(&bytes).contains("tls.key"));
}

/// The facts about the clients' decoders of docs/protocol.md section 1.5.
#[test]
fn a_bundle_holds_nothing_that_a_client_would_misread() {
    for name in ["no", "1e3", "012", "1.10", "null"] {
        let text = written(name, &two_groups());

        assert!(text.starts_with("---\napiVersion: v1\n"), "exactly one separator, then the Secret at once");
        assert_eq!(text.matches("---\n").count(), 3, "one separator a document");
        assert!(!text.contains("\n---\n---"), "no blank document");
        assert!(!text.lines().any(|line| line.starts_with("-----")), "no PEM line at the left edge");
        assert!(!text.contains("namespace") && !text.contains("stringData") && !text.contains("cost"));
        assert!(!text.contains('\r') && !text.contains('#') && text.is_ascii());
        let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(documents[0]["metadata"]["name"], name);
        assert_eq!(documents[1]["spec"]["tlsCredentials"], name);
        assert!(documents[1]["spec"]["endpoints"][0]["port"].is_string());
    }
}

#[test]
fn what_upstream_writes_is_read() {
    let [ca, certificate, key] = [CA, CERTIFICATE, KEY].map(|pem| STANDARD.encode(pem));
    let text = format!(
        "---\napiVersion: v1\ndata:\n  ca.crt: {ca}\n  tls.crt: {certificate}\n  tls.key: {key}\nkind: Secret\n\
             metadata:\n  creationTimestamp: null\n  name: t\ntype: kubernetes.io/tls\n\
             ---\napiVersion: skupper.io/v2alpha1\nkind: Link\nmetadata:\n  creationTimestamp: null\n  name: t\n\
             spec:\n  endpoints:\n  - host: 10.1.1.1\n    name: edge\n    port: \"45671\"\n  \
             tlsCredentials: t\n  cost: 7\nstatus: {{}}\n"
    );

    for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}---\n"), text[4..].to_owned()] {
        let bundle = Bundle::read(text.as_bytes()).unwrap();

        assert_eq!(bundle.secret.key.expose(), KEY);
        assert_eq!(bundle.links[0].endpoints, [endpoint("", "edge", "10.1.1.1", 45671)]);
        assert_eq!(bundle.links[0].cost, Some(7));
    }
}

#[test]
fn json_documents_are_read() {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&written("t", &one_group())).unwrap();
    let pretty = |value| serde_json::to_string_pretty(value).unwrap();

    let separated = documents.iter().map(pretty).collect::<Vec<_>>().join("\n---\n");

    assert_eq!(Bundle::read(separated.as_bytes()).unwrap().links.len(), 1);
}

#[test]
fn every_fault_says_where_it_is_and_what_should_be_there() {
    let good = written("t", &one_group());
    let fault = |from: &str, to: &str| {
        assert!(good.contains(from));
        Bundle::read(good.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };

    for (from, to, says) in [
        ("kind: Secret", "kind: Pod", "line 7, column 7: this is 'Pod' (v1); expected a Secret (v1)"),
        ("kind: Secret\n", "", "line 2, column 1: kind is missing; it must be a Secret (v1)"),
        ("  tls.key", "  tls.kei", "line 2, column 1: data.tls.key is missing; it must be PEM text in base64"),
        ("tls.crt: \"L", "tls.crt: \"*", "line 5, column 12: data.tls.crt must be PEM text in base64"),
        (
            "port: \"45671\"",
            "port: \"0\"",
            "line 25, column 11: spec.endpoints[1].port must be a port between 1 and 65535",
        ),
        (
            "    name: edge\n",
            "",
            "line 12, column 1: spec.endpoints[1].name is missing; it must be 'inter-router' or 'edge'",
        ),
        (
            "tlsCredentials: \"t\"",
            "tlsCredentials: \"u\"",
            "line 12, column 1: spec.tlsCredentials must name the Secret of this bundle",
        ),
        ("name: \"t\"", "name: \"../t\"", "line 9, column 9: metadata.name must consist of lower case"),
    ] {
        let message = fault(from, to);
        assert!(message.starts_with(says), "{message}");
    }
}

#[test]
fn a_bundle_cut_short_anywhere_is_an_error() {
    for site in [one_group(), two_groups()] {
        let text = written("t", &site);
        let whole = text.trim_end().len();
        for end in 0..whole {
            assert!(Bundle::read(&text.as_bytes()[..end]).is_err(), "{}", &text[..end]);
        }
        Bundle::read(&text.as_bytes()[..whole]).unwrap();
    }
    let text = written("t", &one_group());
    let secret_only = &text[..text.rfind("---").unwrap()];
    assert_eq!(
        Bundle::read(secret_only.as_bytes()).unwrap_err().to_string(),
        "it is cut short: the Secret is there, but no Link"
    );
}

#[test]
fn large_and_nested_answers_are_refused() {
    assert_eq!(Bundle::read(&vec![b'a'; 1024 * 1024 + 1]).unwrap_err(), DocumentError::TooLarge);
    for text in ["[".repeat(100_000), "a: &a [x]\nb: *a\n".to_owned(), "- ".repeat(5000), "---\n".repeat(5000)] {
        assert!(Bundle::read(text.as_bytes()).is_err());
    }
}

#[test]
fn debug_of_a_bundle_shows_no_key() {
    let bundle = Bundle::read(written("t", &one_group()).as_bytes()).unwrap();
    assert!(!format!("{bundle:?}").contains("canary"));
}

prop_compose! {
    fn any_endpoint()(
        group in "[-a-zA-Z0-9_.]{0,9}",
        name in prop_oneof!["inter-router".prop_map(|s| s), "edge".prop_map(|s| s)],
        host in prop_oneof!["[a-z]{1,9}(\\.[a-z]{1,9}){0,3}", "10\\.1\\.[0-9]\\.1", "[1-9]::[1-9a-f]", "true|null|no"],
        port in 1..=u16::MAX,
    ) -> Endpoint {
        endpoint(&group, &name, &host, port)
    }
}

fn any_pem(label: &'static str) -> impl Strategy<Value = String> {
    "[ -~\näöü]{0,200}".prop_map(move |body| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
}

proptest! {
    #[test]
    fn every_bundle_is_read_back_as_it_was_written(
        name in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,9}){0,3}",
        endpoints in prop::collection::vec(any_endpoint(), 1..6),
        ca in any_pem("CERTIFICATE"),
        certificate in any_pem("CERTIFICATE"),
        key in any_pem("EC PRIVATE KEY"),
    ) {
        let (name, site) = (name.parse::<LinkName>().unwrap(), site(endpoints));
        let parts =
            BundleParts { name: &name, ca_pem: &ca, certificate_pem: &certificate, key: Some(&key), site: &site };

        let bundle = Bundle::read(&write_bundle(&parts)).unwrap();

        prop_assert_eq!(bundle.secret.name.as_str(), name.as_str());
        prop_assert_eq!(&bundle.secret.ca_pem, &ca);
        prop_assert_eq!(&bundle.secret.certificate_pem, &certificate);
        prop_assert_eq!(bundle.secret.key.expose(), &key);
        let mut expected = site.endpoints.clone();
        expected.sort_by(|a, b| a.group.cmp(&b.group));
        let read: Vec<_> = bundle.links.iter().flat_map(|link| link.endpoints.clone()).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Bundle::read(&bytes);
    }

    #[test]
    fn no_text_like_a_bundle_panics(text in "((---|kind|apiVersion|data|spec|metadata|name|Secret|Link|v1|[:{}\\[\\]\",&*!|>-]| |\n){0,9}\n){0,9}") {
        let _ = Bundle::read(text.as_bytes());
    }
}
