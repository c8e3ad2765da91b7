//! `grantd backup verify`: checks that a backup could be restored.

use super::{Workplace, extract, summary};
use crate::cli::{args::BackupVerifyArgs, error::CliError, output::Console};

pub(crate) async fn run(args: &BackupVerifyArgs, console: &mut Console<'_>) -> Result<(), CliError> {
    let workplace = Workplace::within(&std::env::temp_dir())?;
    let (header, found) = extract(&args.file, workplace.path()).await?;
    console.line(format_args!("{} is whole, {}.", args.file.display(), summary(&header, found)))?;
    Ok(())
}
