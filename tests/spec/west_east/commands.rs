//! Everything else that kubectl does with what the connecting side keeps.

use super::{Following, Side, linked, text, with_each_kubectl};
use crate::port;

#[test]
fn what_a_token_brought_is_shown_in_every_way() {
    with_each_kubectl(|kubectl| {
        let (_west, east) = linked(kubectl, port::free());
        east.sh("kubectl label link token-to-west side=left");

        assert_eq!(east.sh("kubectl get links -l side=left -o name"), "link.skupper.io/token-to-west\n");
        assert_eq!(east.sh("kubectl get ln -l side=right -o name"), "");
        for (command, namespaced) in [
            ("kubectl get accesstokens -A --no-headers", "east   token-to-west"),
            ("kubectl get to -A --no-headers", "east   token-to-west"),
            ("kubectl get links -A --no-headers", "east   token-to-west"),
            ("kubectl get secrets -A --no-headers", "east   token-to-west"),
        ] {
            let printed = east.sh(command);
            assert!(printed.lines().any(|line| line.starts_with(namespaced)), "{command}: {printed}");
        }
        let described = east.sh("kubectl describe link token-to-west");
        for part in ["Tls Credentials:  token-to-west", "Endpoints:", "inter-router", "Events:"] {
            assert!(described.contains(part), "{part}: {described}");
        }
        let described = east.sh("kubectl describe accesstoken token-to-west");
        let words = described.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("Type: Redeemed") && words.contains("Redeemed: true"), "{described}");
        let described = east.sh("kubectl describe secret token-to-west");
        for part in ["Type:  kubernetes.io/tls", "ca.crt:", "tls.crt:", "tls.key:"] {
            assert!(described.contains(part), "{part}: {described}");
        }
        assert!(!described.contains("PRIVATE KEY"), "{described}");
        let ca = east.sh("kubectl get secret token-to-west -o jsonpath='{.data.ca\\.crt}' | base64 -d");
        assert!(ca.starts_with("-----BEGIN CERTIFICATE-----\n"), "{ca}");
        let yaml = east.sh("kubectl get accesstokens,links,secrets -o yaml");
        for kind in ["kind: AccessToken\n", "kind: Link\n", "kind: Secret\n"] {
            assert_eq!(yaml.matches(kind).count(), 1, "{kind}: {yaml}");
        }
    });
}

#[test]
fn links_are_there_in_their_first_version_too() {
    with_each_kubectl(|kubectl| {
        let router = port::free();
        let (_west, east) = linked(kubectl, router);
        east.sh("kubectl wait --for=jsonpath='{.status.status}'=Pending link/token-to-west --timeout=60s");

        let yaml = east.sh("kubectl get links.v1alpha1.skupper.io -o yaml");
        for part in ["apiVersion: skupper.io/v1alpha1\n", "tlsSecret: token-to-west\n", "options:\n"] {
            assert!(yaml.contains(part), "{part}: {yaml}");
        }
        assert!(yaml.contains("inter-router-host: 127.0.0.2\n") && yaml.contains(&router.to_string()), "{yaml}");
        assert!(!yaml.contains("tlsCredentials:") && !yaml.contains("endpoints:"), "{yaml}");
        let one = |path: &str| {
            east.sh(&format!("kubectl get links.v1alpha1.skupper.io token-to-west -o jsonpath='{{{path}}}'"))
        };
        assert_eq!(one(".status.configured"), "true");
        assert!(one(".status.url").contains("127.0.0.2"), "{}", one(".status"));
        assert!(one(".status.status").starts_with("Not Operational"), "{}", one(".status"));
        assert_eq!(east.sh("kubectl get link token-to-west -o jsonpath='{.apiVersion}'"), "skupper.io/v2alpha1");
    });
}

#[test]
fn what_a_token_brought_is_changed_in_every_way() {
    with_each_kubectl(|kubectl| {
        let (_west, east) = linked(kubectl, port::free());
        let cost = || east.sh("kubectl get link token-to-west -o jsonpath='{.spec.cost}'");

        assert_eq!(east.sh("kubectl apply -f token.yaml"), "accesstoken.skupper.io/token-to-west unchanged\n");
        assert!(east.run("kubectl diff -f token.yaml").status.success());
        let patched = east.sh(r#"kubectl patch link token-to-west --type=merge -p '{"spec":{"cost":5}}'"#);
        assert_eq!((patched.as_str(), cost().as_str()), ("link.skupper.io/token-to-west patched\n", "5"));
        east.sh(
            r#"kubectl patch link token-to-west --type=json -p '[{"op":"replace","path":"/spec/cost","value":6}]'"#,
        );
        assert_eq!(cost(), "6");
        east.write_editor("sed -i 's/cost: 6/cost: 7/' \"$1\"");
        assert_eq!(east.sh("kubectl edit link token-to-west"), "link.skupper.io/token-to-west edited\n");
        assert_eq!(cost(), "7");
        // What a controller writes meanwhile is a conflict, as everywhere; kubectl reads again.
        let replaced = "kubectl get link token-to-west -o json | sed 's/\"cost\": 7/\"cost\": 8/;/resourceVersion/d' \
                        | kubectl replace -f -";
        assert_eq!(east.sh(replaced), "link.skupper.io/token-to-west replaced\n");
        assert_eq!(cost(), "8");
        east.sh("kubectl annotate link token-to-west note='for the east'");
        east.sh("kubectl label secret token-to-west side=left");
        assert_eq!(east.sh("kubectl get secrets -l side=left -o name"), "secret/token-to-west\n");

        east.sh("kubectl get link token-to-west -o json | sed 's/\"cost\": 8/\"cost\": 9/' > nine.json");
        let diff = east.run("kubectl diff -f nine.json");
        assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stderr));
        assert!(text(&diff.stdout).contains("+  cost: 9"), "{}", text(&diff.stdout));
        let dry = east.sh("sed 's/token-to-west/other/' token.yaml | kubectl apply --dry-run=server -f -");
        assert_eq!(dry, "accesstoken.skupper.io/other created (server dry run)\n");
        assert_eq!(east.sh("kubectl get accesstokens -o name"), "accesstoken.skupper.io/token-to-west\n");
        assert_eq!(cost(), "8");
    });
}

const OWN: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: own
type: Opaque
stringData:
  word: plain
---
apiVersion: skupper.io/v2alpha1
kind: Link
metadata:
  name: own
spec:
  tlsCredentials: nowhere
  endpoints:
    - {name: inter-router, host: west.example.com, port: \"55671\"}
";

#[test]
fn what_is_written_by_hand_is_kept_followed_and_removed() {
    with_each_kubectl(|kubectl| {
        let east = Side::start(kubectl, "east", port::free());
        east.write("own.yaml", OWN);
        let watch = Following::start(&east, "kubectl get links --watch -o name");
        assert_eq!(east.sh("kubectl apply -f own.yaml"), "secret/own created\nlink.skupper.io/own created\n");
        watch.until(|line| line == "link.skupper.io/own");

        assert_eq!(east.sh("kubectl get secret own -o jsonpath='{.data.word}' | base64 -d"), "plain");
        assert_eq!(east.sh("kubectl get secret own -o jsonpath='{.stringData}'"), "");
        east.sh("kubectl wait --for=jsonpath='{.status.status}'=Error link/own --timeout=60s");
        let message = east.sh("kubectl get link own -o jsonpath='{.status.message}'");
        assert!(message.contains("\"nowhere\" not found"), "{message}");
        let again = "sed 's/word: plain/word: other/' own.yaml | kubectl apply -f -";
        assert_eq!(east.sh(again), "secret/own configured\nlink.skupper.io/own unchanged\n");
        assert_eq!(east.sh("kubectl get secret own -o jsonpath='{.data.word}' | base64 -d"), "other");

        let deleted = east.sh("kubectl delete -f own.yaml");
        assert!(
            deleted.contains("secret \"own\" deleted") && deleted.contains("link.skupper.io \"own\" deleted"),
            "{deleted}"
        );
        east.sh("kubectl wait --for=delete link/own --timeout=60s");
        let missing = east.complains("kubectl get link own");
        assert_eq!(missing, "Error from server (NotFound): links.skupper.io \"own\" not found\n");
        let missing = east.complains("kubectl get secret own");
        assert_eq!(missing, "Error from server (NotFound): secrets \"own\" not found\n");
        let bad = east.complains("sed 's/\"55671\"/\"none\"/' own.yaml | kubectl apply -f -");
        assert!(bad.contains("The Link \"own\" is invalid") && bad.contains("port"), "{bad}");
    });
}

#[test]
fn a_wait_is_for_what_is_not_so_yet() {
    with_each_kubectl(|kubectl| {
        let (_west, east) = linked(kubectl, port::free());
        let wait =
            Following::start(&east, "kubectl wait --for=jsonpath='{.spec.cost}'=42 link/token-to-west --timeout=60s");
        let gone = Following::start(&east, "kubectl wait --for=delete accesstoken/token-to-west --timeout=60s");
        east.sh(r#"kubectl patch link token-to-west --type=merge -p '{"spec":{"cost":42}}'"#);
        wait.until(|line| line == "link.skupper.io/token-to-west condition met");
        let deleted = east.sh("kubectl delete accesstoken token-to-west");
        assert!(deleted.starts_with("accesstoken.skupper.io \"token-to-west\" deleted"), "{deleted}");
        gone.until(|line| line.ends_with("condition met"));
        let late = east.complains("kubectl wait --for=jsonpath='{.spec.cost}'=43 link/token-to-west --timeout=1s");
        assert!(late.contains("timed out waiting"), "{late}");
    });
}

#[test]
fn the_types_are_discovered_explained_and_allowed() {
    with_each_kubectl(|kubectl| {
        let east = Side::start(kubectl, "east", port::free());

        let types = east.sh("kubectl api-resources --no-headers");
        let types: Vec<Vec<&str>> = types.lines().map(|line| line.split_whitespace().collect()).collect();
        for expected in [
            vec!["secrets", "v1", "true", "Secret"],
            vec!["accessgrants", "grant,gr", "skupper.io/v2alpha1", "true", "AccessGrant"],
            vec!["accesstokens", "token,to", "skupper.io/v2alpha1", "true", "AccessToken"],
            vec!["links", "ln", "skupper.io/v2alpha1", "true", "Link"],
            vec!["sites", "st", "skupper.io/v2alpha1", "true", "Site"],
        ] {
            assert!(types.contains(&expected), "{expected:?}: {types:?}");
        }
        assert!(east.sh("kubectl api-versions").contains("skupper.io/v1alpha1\n"));
        for (what, field) in [
            ("accesstokens.spec", "linkCost"),
            ("links.spec", "tlsCredentials"),
            ("links.spec.endpoints", "port"),
            ("sites.spec", "linkAccess"),
            ("secrets", "stringData"),
        ] {
            let explained = east.sh(&format!("kubectl explain {what}"));
            assert!(explained.contains(field), "{what}: {explained}");
        }
        for question in
            ["create accesstokens", "watch links", "delete secrets", "create sites", "patch links.skupper.io"]
        {
            assert_eq!(east.sh(&format!("kubectl auth can-i {question}")), "yes\n", "{question}");
        }
        let output = east.run("kubectl auth can-i create pods");
        assert!(text(&output.stdout).starts_with("no"), "{}", text(&output.stdout));
    });
}
