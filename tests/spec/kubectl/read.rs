//! `kubectl get` and what else only looks.

use serde_json::Value;

use super::{Kubectl, versions};
use crate::get::TWO_GRANTS;

async fn with_two(binary: std::path::PathBuf) -> Kubectl {
    let kubectl = Kubectl::start(binary).await;
    kubectl.write("two.yaml", TWO_GRANTS);
    kubectl.says(&["apply", "-f", "two.yaml"]).await;
    kubectl
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_shown_in_every_form_of_output() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let get = async |form: &str| kubectl.says(&["get", "accessgrant", "west", "-o", form]).await;

        let json: Value = serde_json::from_str(&get("json").await).unwrap();
        let url = json["status"]["url"].as_str().unwrap();
        assert!(url.starts_with("https://"), "{url}");
        assert_eq!(json["status"]["status"], "Ready");
        let yaml = get("yaml").await;
        assert!(yaml.contains("  redemptionsAllowed: 2\n") && yaml.contains("    type: Ready\n"), "{yaml}");
        assert_eq!(get("name").await, "accessgrant.skupper.io/west\n");
        assert_eq!(get("jsonpath={.status.url}").await, url);
        assert_eq!(get("template={{ .status.url }}").await, url);
        assert_eq!(get("custom-columns=URL:.status.url").await, format!("URL\n{url}\n"));
        assert!(get("wide").await.starts_with("NAME   REDEMPTIONS ALLOWED "));
    }
}

/// The columns of each line; kubectl puts three blanks between two.
fn cells(printed: &str) -> Vec<Vec<&str>> {
    printed.lines().map(|line| line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_printed_are_the_columns_of_the_type() {
    let headings = ["NAME", "REDEMPTIONS ALLOWED", "REDEMPTIONS MADE", "EXPIRATION", "STATUS", "MESSAGE"];
    for binary in versions() {
        let kubectl = with_two(binary).await;
        let expiration = kubectl.field(".status.expirationTime").await;
        let west = ["west", "1", "0", &expiration, "Ready", "OK"];

        for arguments in [&["get", "accessgrants"][..], &["get", "accessgrant", "west"]] {
            assert_eq!(cells(&kubectl.says(arguments).await), [headings, west], "{arguments:?}");
        }
        let sorted = kubectl.says(&["get", "gr", "-A", "--sort-by=.metadata.name", "--show-labels"]).await;
        let [header, first, second] = &cells(&sorted)[..] else { panic!("{sorted}") };
        assert_eq!(*header, [&["NAMESPACE"], &headings[..], &["LABELS"]].concat());
        assert_eq!((first[0], first[1], first.last()), ("other", "east", Some(&"side=right")));
        assert_eq!(*second, [&["default"], &west[..], &["side=left"]].concat());

        let labels = kubectl.says(&["get", "gr", "-L", "side", "-L", "none"]).await;
        let [header, row] = &cells(&labels)[..] else { panic!("{labels}") };
        assert_eq!(header[6..], ["SIDE", "NONE"]);
        assert_eq!(row[6..], ["left"]);
        let status = kubectl.says(&["get", "gr", "west", "--subresource=status"]).await;
        assert_eq!(cells(&status), [headings, west]);

        let sites = kubectl.says(&["get", "sites", "-A"]).await;
        let [header, site] = &cells(&sites)[..] else { panic!("{sites}") };
        assert_eq!(*header, ["NAMESPACE", "NAME", "STATUS", "SITES IN NETWORK", "MESSAGE"]);
        assert_eq!((site[0], &site[2..]), ("default", &["Ready", "OK"][..]), "nothing is known of the network");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_writes_a_token_that_redeems() {
    const TEMPLATE: &str = "apiVersion: skupper.io/v2alpha1\nkind: AccessToken\nmetadata:\n  name: {{ .metadata.name }}\n\
                            spec:\n  url: {{ .status.url }}\n  code: {{ .status.code }}\n  ca: {{ printf \"%q\" .status.ca }}\n";
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        let token = kubectl.says(&["get", "accessgrant", "west", "-o", "template", "--template", TEMPLATE]).await;

        std::fs::write(kubectl.server.scratch().file("token.yaml"), token).unwrap();
        kubectl.server.ok(&["token", "redeem", "token.yaml"]);
        assert_eq!(kubectl.field(".status.redemptions").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_of_one_namespace_or_of_all_by_any_name_of_the_type() {
    for binary in versions() {
        let kubectl = with_two(binary).await;
        let names = async |arguments: &[&str]| kubectl.says(&[arguments, &["-o", "name"]].concat()).await;
        let (west, both) =
            ("accessgrant.skupper.io/west\n", "accessgrant.skupper.io/west\naccessgrant.skupper.io/east\n");

        for name in ["accessgrants", "accessgrant", "grant", "gr", "accessgrants.v2alpha1.skupper.io"] {
            assert_eq!(names(&["get", name]).await, west, "{name}");
        }
        let everywhere = kubectl.says(&["get", "gr", "-A", "--no-headers"]).await;
        let columns: Vec<Vec<&str>> =
            everywhere.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        assert_eq!(columns, [["default", "west"], ["other", "east"]]);
        assert_eq!(names(&["get", "gr", "-A", "--chunk-size=1"]).await, both);
        assert_eq!(names(&["get", "gr", "-A", "--sort-by=.metadata.name"]).await.lines().count(), 2);
        assert_eq!(kubectl.says(&["get", "gr", "-n", "empty"]).await, "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selectors_select() {
    for binary in versions() {
        let kubectl = with_two(binary).await;
        let table = [
            (["-l", "side=left"], "accessgrant.skupper.io/west\n"),
            (["-l", "side!=left"], "accessgrant.skupper.io/east\n"),
            (["-l", "side==right"], "accessgrant.skupper.io/east\n"),
            (["-l", "side in (right,up)"], "accessgrant.skupper.io/east\n"),
            (["-l", "side notin (right,up)"], "accessgrant.skupper.io/west\n"),
            (["-l", "side,side!=left"], "accessgrant.skupper.io/east\n"),
            (["-l", "!side"], ""),
            (["--field-selector", "metadata.name=west"], "accessgrant.skupper.io/west\n"),
            (["--field-selector", "metadata.namespace!=default"], "accessgrant.skupper.io/east\n"),
        ];
        for (selector, expected) in table {
            let found = kubectl.says(&[&["get", "gr", "-A", "-o", "name"], &selector[..]].concat()).await;
            assert_eq!(found, expected, "{selector:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_served_is_discovered() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;

        let types = kubectl.says(&["api-resources", "--no-headers"]).await;
        let types: Vec<Vec<&str>> = types.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(
            types.contains(&vec!["accessgrants", "grant,gr", "skupper.io/v2alpha1", "true", "AccessGrant"]),
            "{types:?}"
        );
        assert!(types.contains(&vec!["sites", "st", "skupper.io/v2alpha1", "true", "Site"]), "{types:?}");
        assert_eq!(kubectl.says(&["api-versions"]).await, "skupper.io/v1alpha1\nskupper.io/v2alpha1\nv1\n");
        assert!(kubectl.says(&["version"]).await.contains("+grantd"));

        let described = kubectl.says(&["describe", "accessgrant", "west"]).await;
        assert!(described.contains("Redemptions Allowed:  2"), "{described}");
        let site = kubectl.says(&["get", "sites", "-o", "jsonpath={.items[0].status.endpoints[*].port}"]).await;
        assert_eq!(site, "55671 45671");
        let raw = "/apis/skupper.io/v2alpha1/namespaces/default/accessgrants/west/redemptions";
        assert!(kubectl.says(&["get", "--raw", raw]).await.contains("\"RedemptionList\""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_is_explained() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;

        let spec = kubectl.says(&["explain", "accessgrants.spec"]).await;
        for expected in
            ["AccessGrant", "redemptionsAllowed", "How often the grant can be redeemed.", "expirationWindow"]
        {
            assert!(spec.contains(expected), "{} {expected}: {spec}", kubectl.binary.display());
        }
        let field = kubectl.says(&["explain", "gr.spec.expirationWindow"]).await;
        assert!(field.contains("15m0s."), "{field}");
        let site = kubectl.says(&["explain", "sites.status", "--recursive"]).await;
        assert!(site.contains("endpoints") && site.contains("port"), "{site}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_at_once_for_what_is_so_already_and_in_time_for_what_is_not() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await.with_grant().await;
        let wait = async |what: &str, limit: &str| {
            kubectl.run(&["wait", "accessgrant/west", &format!("--for={what}"), &format!("--timeout={limit}")]).await
        };

        for so in ["condition=Ready", "jsonpath={.status.status}=Ready"] {
            let output = wait(so, "20s").await;
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                "accessgrant.skupper.io/west condition met\n",
                "{output:?}"
            );
        }
        let output = wait("jsonpath={.status.redemptions}=1", "1s").await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("timed out waiting"), "{output:?}");
        let gone = kubectl.says(&["wait", "accessgrant/nope", "--for=delete", "--timeout=20s"]);
        gone.await;
    }
}

/// docs/kubernetes-api.md section 3.24: what is served is cached on disk, and asked for again when a kind is not in the
/// cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_a_cache_does_not_know_yet_is_found_after_an_upgrade() {
    for binary in versions() {
        let kubectl = Kubectl::start(binary).await;
        kubectl.says(&["get", "accessgrants"]).await;
        let cached = kubectl
            .home
            .file(&format!("cache/discovery/127.0.0.1_{}/skupper.io/v2alpha1/serverresources.json", kubectl.port));
        let mut served: Value = serde_json::from_str(&std::fs::read_to_string(&cached).unwrap()).unwrap();
        served["resources"].as_array_mut().unwrap().retain(|kind| kind["kind"] != "AccessToken");
        std::fs::write(&cached, served.to_string()).unwrap();

        let (listed, warned) = kubectl.says_and_warns(&["get", "accesstokens"]).await;

        assert_eq!((listed.as_str(), warned.as_str()), ("", "No resources found in default namespace.\n"));
    }
}
