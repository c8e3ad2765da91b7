//! `grantd doctor`: one file for each kind of thing that is looked at. Nothing is changed.

mod certificates;
mod database;
mod files;
mod host;
mod process;
mod router;

use crate::{
    cli::{
        args::DoctorArgs,
        config::ServeConfig,
        error::CliError,
        findings::{failed, print},
        output::Console,
    },
    time::Clock,
};

pub(crate) async fn run(args: &DoctorArgs, config: &ServeConfig, console: &mut Console<'_>) -> Result<(), CliError> {
    let now = Clock::system().now();
    let mut findings = files::check(&config.data_dir);
    findings.extend(certificates::check(config, now));
    if let Some(router) = &args.router_cert {
        findings.extend(router::check(config, router, now));
    }
    findings.extend(host::check(config, now));
    findings.push(database::check(config).await);
    findings.extend(process::check(config).await);
    print(&findings, args.output, console)?;
    match failed(&findings) {
        0 => Ok(()),
        1 => Err(CliError::Refused { message: "1 check failed".to_owned(), hint: None }),
        many => Err(CliError::Refused { message: format!("{many} checks failed"), hint: None }),
    }
}
