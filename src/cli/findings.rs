//! Findings of a command that looks at many things: `grantd doctor` and `grantd token check`.

use serde::Serialize;

use super::{
    error::CliError,
    output::{Console, DocumentFormat, aligned, one_line},
};

/// Whether what was looked at is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// It is.
    Ok,
    /// It works, and something should be done.
    Warn,
    /// It does not work.
    Fail,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) status: Level,
    /// What was looked at, in few words.
    pub(super) check: String,
    /// What was found, on one line.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: Level::Ok, check: check.into(), message: message.into(), remedy: None }
    }

    pub(super) fn warn(check: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Level::Warn, check: check.into(), message: message.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fail(check: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Level::Fail, check: check.into(), message: message.into(), remedy: Some(remedy.into()) }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    findings: &'a [Finding],
}

/// How many failed.
pub(super) fn failed(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.status == Level::Fail).count()
}

/// Prints findings: as a document, or one on each line, with the remedy below it.
pub(super) fn print(
    findings: &[Finding],
    format: Option<DocumentFormat>,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    if let Some(format) = format {
        return Ok(console.document(&Document { ok: failed(findings) == 0, findings }, format)?);
    }
    let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or_default();
    for Finding { status, check, message, remedy } in findings {
        let cells = [status.as_str().to_owned(), one_line(check), one_line(message)];
        console.line(aligned(&cells, &[4, width, 0]))?;
        if let Some(remedy) = remedy {
            console.line(format_args!("      remedy: {}", one_line(remedy)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> [Finding; 3] {
        [
            Finding::ok("disk", "3 GiB are free"),
            Finding::warn("certificate", "it ends soon", "renew it"),
            Finding::fail("key", "mode 0644\nis wrong", "chmod 600 key"),
        ]
    }

    fn printed(format: Option<DocumentFormat>) -> String {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        print(&findings(), format, &mut Console::new(&mut results, &mut notes)).unwrap();
        String::from_utf8(results).unwrap()
    }

    #[test]
    fn each_finding_is_a_line_with_its_remedy_below() {
        assert_eq!(
            printed(None),
            "ok    disk         3 GiB are free\n\
             warn  certificate  it ends soon\n      remedy: renew it\n\
             fail  key          mode 0644 is wrong\n      remedy: chmod 600 key\n"
        );
    }

    #[test]
    fn a_document_says_whether_all_is_well() {
        let document: serde_json::Value = serde_json::from_str(&printed(Some(DocumentFormat::Json))).unwrap();
        assert_eq!((&document["ok"], document["findings"].as_array().unwrap().len()), (&false.into(), 3));
        assert_eq!(document["findings"][2]["status"], "fail");
        assert_eq!(document["findings"][0].get("remedy"), None);
    }
}
