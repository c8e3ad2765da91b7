//! The AccessToken, which a person copies from one site to another (docs/protocol.md sections 4.3 and 5.1).

use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    document::{DocumentError, Field, Fields, Kind, invalid, parse_one},
    metadata::Metadata,
    resource::read_cost,
    secret::is_certificate_pem,
    yaml::{push_scalar, push_text},
};
use crate::grant::{Code, LinkName};

/// The URL and code with which a site redeems a grant. Anyone who has it can do so, until the grant is used up or expires.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// Its name, which names the Secret and Links too.
    pub name: LinkName,
    /// Where to redeem it, as given.
    pub url: String,
    /// The secret.
    pub code: Code,
    /// PEM certificates: the only ones that the server's certificate may be issued by.
    pub ca: String,
    /// What traffic over the link costs; absent for the default.
    pub link_cost: Option<u32>,
    /// Whether its server certifies keys that clients make themselves: `certificate-request: pkcs10` in `spec.settings`, which
    /// Skupper's clients ignore (docs/protocol.md section 4.3).
    pub takes_certificate_requests: bool,
}

/// The setting that says so, and its value.
pub const CERTIFICATE_REQUEST: (&str, &str) = ("certificate-request", "pkcs10");

const TOKEN: Kind =
    Kind { api_version: "skupper.io/v2alpha1", kind: "AccessToken", title: "an AccessToken (skupper.io/v2alpha1)" };

#[derive(Deserialize)]
struct TokenDocument {
    metadata: Field<Metadata>,
    spec: Field<TokenSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenSpec {
    ca: Field<String>,
    code: Field<String>,
    link_cost: Field<String>,
    settings: Field<TokenSettings>,
    url: Field<String>,
}

#[derive(Deserialize)]
struct TokenSettings {
    #[serde(rename = "certificate-request")]
    certificate_request: Field<String>,
}

impl AccessToken {
    /// Reads one AccessToken of at most [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES), as YAML or
    /// JSON. Fields that this version does not know are ignored.
    ///
    /// # Errors
    /// [`DocumentError`], with the line and what was expected there, and never with the code.
    pub fn read(text: &str) -> Result<Self, DocumentError> {
        let (position, document) = parse_one::<TokenDocument>(text, TOKEN)?;
        read_token(document, Fields { position })
    }

    /// Writes the token as Skupper's own command does: keys sorted, empty values left out
    /// (docs/protocol.md section 5.1).
    ///
    /// The text holds the code: keep it in a file that only its owner can read.
    pub fn write(&self) -> Zeroizing<String> {
        // Every character may need an escape; a buffer that grew would leave a copy of the code behind.
        let capacity = 256 + self.name.as_str().len() + 10 * (self.url.len() + self.ca.len() + self.code.byte_count());
        let mut yaml = String::with_capacity(capacity);
        let capacity = yaml.capacity();
        yaml.push_str("apiVersion: skupper.io/v2alpha1\nkind: AccessToken\nmetadata:\n  name: ");
        push_scalar(&mut yaml, self.name.as_str());
        yaml.push_str("\nspec:\n  ca: ");
        push_text(&mut yaml, &self.ca, "    ");
        yaml.push_str("  code: ");
        push_scalar(&mut yaml, self.code.expose());
        yaml.push('\n');
        if let Some(cost) = self.link_cost.filter(|cost| *cost > 0) {
            yaml.push_str("  linkCost: ");
            yaml.push_str(&cost.to_string());
            yaml.push('\n');
        }
        if self.takes_certificate_requests {
            let (setting, value) = CERTIFICATE_REQUEST;
            for part in ["  settings:\n    ", setting, ": ", value, "\n"] {
                yaml.push_str(part);
            }
        }
        yaml.push_str("  url: ");
        push_scalar(&mut yaml, &self.url);
        yaml.push('\n');
        debug_assert_eq!(yaml.capacity(), capacity, "a buffer that grows leaves a copy of the code behind");
        Zeroizing::new(yaml)
    }
}

fn read_token(document: TokenDocument, fields: Fields) -> Result<AccessToken, DocumentError> {
    let name = Metadata::name(document.metadata, fields)?;
    let spec = fields.need(document.spec, "spec", "the url, code and ca of the token")?.value;
    let url = fields.need(spec.url, "spec.url", "the address to redeem the token at, 'https://...'")?;
    if url.value.is_empty() {
        return Err(invalid(&url, "spec.url", "must be the address to redeem the token at, 'https://...'"));
    }
    let ca = fields.need(spec.ca, "spec.ca", "the PEM certificates to trust")?;
    if !is_certificate_pem(&ca.value) {
        return Err(invalid(&ca, "spec.ca", "must be PEM certificates ('-----BEGIN CERTIFICATE-----' ...)"));
    }
    let mut code = fields.need(spec.code, "spec.code", "the code of the grant")?;
    let parsed = code.value.parse::<Code>();
    code.value.zeroize();
    Ok(AccessToken {
        name,
        url: url.value,
        code: parsed.map_err(|error| invalid(&code, "spec.code", error.to_string()))?,
        ca: ca.value,
        link_cost: read_cost(spec.link_cost, "spec.linkCost")?,
        takes_certificate_requests: spec
            .settings
            .and_then(|settings| settings.value.certificate_request)
            .is_some_and(|form| form.value == CERTIFICATE_REQUEST.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "apiVersion: skupper.io/v2alpha1
kind: AccessToken
metadata:
  name: west-12f75bc8-5dda-4256-88f8-9df48150281a
spec:
  ca: |
    -----BEGIN CERTIFICATE-----
    MIIB
    -----END CERTIFICATE-----
  code: L1qCl2mZ7D81gbXp3ax4YT0K
  linkCost: 1
  url: https://10.110.160.132:9090/87426fa9-5623-49af-a612-47d33b7a4200
";

    #[test]
    fn a_token_file_is_the_one_that_skupper_writes() {
        let token = AccessToken::read(FILE).unwrap();

        assert_eq!(token.ca, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        assert_eq!(token.code.expose(), "L1qCl2mZ7D81gbXp3ax4YT0K");
        assert_eq!(token.link_cost, Some(1));
        assert_eq!(*token.write(), FILE);
    }

    #[test]
    fn a_server_that_takes_certificate_requests_is_named_in_the_settings() {
        let file = FILE.replace("  url:", "  settings:\n    certificate-request: pkcs10\n  url:");
        let token = AccessToken::read(&file).unwrap();
        assert!(token.takes_certificate_requests);
        assert_eq!(*token.write(), file);

        for settings in ["{}", "{other: pkcs10}", "{certificate-request: other}", "null"] {
            let file = FILE.replace("  url:", &format!("  settings: {settings}\n  url:"));
            assert!(!AccessToken::read(&file).unwrap().takes_certificate_requests, "{settings}");
        }
    }

    #[test]
    fn a_cost_of_0_is_the_default_and_not_written() {
        let token = AccessToken::read(&FILE.replace("linkCost: 1", "linkCost: 0")).unwrap();

        assert_eq!(token.link_cost, None);
        assert!(!token.write().contains("linkCost"));
    }

    #[test]
    fn json_comments_and_unknown_fields_are_read() {
        let mut value: serde_json::Value = serde_saphyr::from_str(FILE).unwrap();
        value["status"] = serde_json::json!({"redeemed": false, "conditions": []});
        value["spec"]["settings"] = serde_json::json!({"a": "b"});
        let tabs = serde_json::to_string_pretty(&value).unwrap().replace("  ", "\t");

        for text in [value.to_string(), tabs, format!("# a token\n---\n{FILE}---\n"), FILE.replace('\n', "\r\n")] {
            let token = AccessToken::read(&text).unwrap();
            assert_eq!(token.code.expose(), "L1qCl2mZ7D81gbXp3ax4YT0K");
        }
    }

    #[test]
    fn every_fault_says_where_it_is_and_what_should_be_there() {
        let several = format!("{FILE}---\napiVersion: v1\nkind: Secret\n");
        let changed = |from: &str, to: &str| {
            assert!(FILE.contains(from));
            FILE.replacen(from, to, 1)
        };
        for (text, says) in [
            (String::new(), "it is empty; expected an AccessToken (skupper.io/v2alpha1)"),
            (several, "it holds 2 documents; expected an AccessToken (skupper.io/v2alpha1), once"),
            (
                changed("v2alpha1", "v1alpha1"),
                "line 2, column 7: this is 'AccessToken' (skupper.io/v1alpha1); expected an AccessToken (skupper.io/v2alpha1)",
            ),
            (
                changed("  url: https://", "  uri: https://"),
                "line 1, column 1: spec.url is missing; it must be the address to redeem the token at, 'https://...'",
            ),
            (changed("-----BEGIN", "----BEGIN"), "line 7, column 5: spec.ca must be PEM certificates"),
            (changed("code: L1", "code: L1 "), "line 10, column 9: spec.code must consist of visible ASCII characters"),
            (changed("linkCost: 1", "linkCost: -1"), "line 11, column 13: spec.linkCost must be a whole number"),
            (changed("name: west", "name: West"), "line 4, column 9: metadata.name must consist of lower case letters"),
            (changed("linkCost: 1", "code: other"), "line 11, column 3: this field is there twice"),
            (changed("name: west", "name: [west"), "line 5, column 5: this is neither YAML nor JSON"),
            (changed("name: west", "name: {a: west}\n  b: "), "line 4, column 9: expected a text"),
            ("<html><body>No</body></html>".to_owned(), "line 1, column 1: expected fields ('name: value')"),
        ] {
            let message = AccessToken::read(&text).unwrap_err().to_string();
            assert!(message.starts_with(says), "{message}");
        }
    }

    #[test]
    fn no_error_tells_the_code() {
        let bad = [
            "kind: canary",
            "kind: AccessToken\napiVersion: skupper.io/v2alpha1\nmetadata: canary",
            "kind: AccessToken\napiVersion: skupper.io/v2alpha1\nmetadata: {name: t}\nspec: canary",
            "canary: [",
            "\"canary",
            "*canary",
            "!canary x",
            "code: &canary x",
            "canary: 1\ncanary: 2",
        ];
        for text in bad.iter().map(|text| (*text).to_owned()).chain([
            FILE.replace("L1qCl2mZ7D81gbXp3ax4YT0K", "canary canary"),
            FILE.replace("linkCost: 1", "linkCost: canary"),
            FILE.replace("code: L1qCl2mZ7D81gbXp3ax4YT0K", "code: [canary"),
            FILE.replace("code: L1qCl2mZ7D81gbXp3ax4YT0K", "code: [canary]"),
            FILE.replace("code: L1qCl2mZ7D81gbXp3ax4YT0K", "code: \"canary"),
        ]) {
            let error = AccessToken::read(&text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn every_token_is_read_back_as_it_was_written(
            name in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z0-9]{1,9}){0,3}",
            url in "[ -~]{1,60}",
            code in "[!-~]{1,60}",
            ca in "[ -~\r\n\tä]{0,200}",
            link_cost in proptest::option::of(1..=u32::MAX),
            takes_certificate_requests in any::<bool>(),
        ) {
            let ca = format!("-----BEGIN CERTIFICATE-----\n{ca}\n-----END CERTIFICATE-----");
            let code = code.parse::<Code>().unwrap();
            let token = AccessToken { name: name.parse().unwrap(), url, code, ca, link_cost, takes_certificate_requests };

            let read = AccessToken::read(&token.write()).unwrap();

            prop_assert_eq!(read.name, token.name);
            prop_assert_eq!(read.url, token.url);
            prop_assert!(read.code.is_same_as(&token.code));
            prop_assert_eq!(read.ca, token.ca);
            prop_assert_eq!(read.link_cost, token.link_cost);
            prop_assert_eq!(read.takes_certificate_requests, token.takes_certificate_requests);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = AccessToken::read(&text);
        }

        #[test]
        fn no_changed_token_panics(at in 0..FILE.len(), text in ".{0,9}") {
            let _ = AccessToken::read(&format!("{}{text}{}", &FILE[..at], &FILE[at..]));
        }
    }
}
