//! The password of the database's user, from a file or the environment.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    file::{self, FileError},
    store::{DatabasePassword, PostgresAddress, PostgresServer},
};

/// Why there is no password. No message quotes a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    /// The file cannot be used.
    #[error(transparent)]
    File(FileError),
    /// It is no file, so reading it could wait for ever.
    #[error("{} must be a regular file with the password of the database", .0.display())]
    NotAFile(PathBuf),
    /// It holds no password.
    #[error("{} must hold the password of the database, one line of text, and nothing else", .0.display())]
    NotALine(PathBuf),
    /// A line of it is not as PostgreSQL wants it.
    #[error("{path}, line {line}: must be HOST:PORT:DATABASE:USER:PASSWORD", path = path.display())]
    NotAnEntry {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
}

/// The address with its password, as [`find_password`] finds it.
///
/// # Errors
/// [`PasswordError`] about a file.
pub(crate) fn with_password(
    address: &PostgresAddress,
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<PostgresAddress, PasswordError> {
    Ok(PostgresAddress { password: find_password(address, file, environment)?, ..address.clone() })
}

/// The password for this address: that of the address, else of `file`, else PGPASSWORD, else from the file that PGPASSFILE
/// names; `None` when there is none, for servers that ask for none.
///
/// # Errors
/// [`PasswordError`] about a file.
fn find_password(
    address: &PostgresAddress,
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<DatabasePassword>, PasswordError> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if let Some(password) = &address.password {
        return Ok(Some(password.clone()));
    }
    if let Some(path) = file {
        let text = read(path)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let is_password = !line.is_empty() && !line.contains(['\n', '\r', '\0']);
        return if is_password { Ok(Some(password(line))) } else { Err(PasswordError::NotALine(path.to_owned())) };
    }
    if let Some(text) = set("PGPASSWORD") {
        return Ok(Some(password(&text.to_string_lossy())));
    }
    match set("PGPASSFILE") {
        Some(path) => find_entry(address, Path::new(&path)),
        None => Ok(None),
    }
}

fn password(text: &str) -> DatabasePassword {
    DatabasePassword::new(text.to_owned())
}

fn read(path: &Path) -> Result<Zeroizing<String>, PasswordError> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(PasswordError::NotAFile(path.to_owned()));
    }
    let bytes = file::read(path).map_err(PasswordError::File)?;
    file::check_key_mode(path).map_err(PasswordError::File)?;
    let text = str::from_utf8(&bytes).map_err(|_| PasswordError::NotALine(path.to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first line of the file that is for this address (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn find_entry(address: &PostgresAddress, path: &Path) -> Result<Option<DatabasePassword>, PasswordError> {
    let (hosts, port) = match &address.server {
        PostgresServer::Tcp { host, port } => (vec![host.clone()], port),
        PostgresServer::Socket { directory, port } => {
            (vec![directory.to_string_lossy().into_owned(), "localhost".to_owned()], port)
        }
    };
    let wanted = [hosts, vec![port.to_string()], vec![address.database.clone()], vec![address.user.clone()]];
    for (index, line) in read(path)?.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = fields(line);
        let [patterns @ .., found] = fields.as_slice() else { continue };
        if patterns.len() != wanted.len() {
            return Err(PasswordError::NotAnEntry { path: path.to_owned(), line: index + 1 });
        }
        let is_for_it = |(pattern, values): (&Zeroizing<String>, &Vec<String>)| {
            **pattern == "*" || values.iter().any(|value| value == &**pattern)
        };
        if patterns.iter().zip(&wanted).all(is_for_it) {
            return Ok(Some(password(found)));
        }
    }
    Ok(None)
}

/// The parts between colons, of which there are five; a backslash takes a colon or a backslash as it is.
fn fields(line: &str) -> Vec<Zeroizing<String>> {
    let mut fields = vec![Zeroizing::new(String::with_capacity(line.len()))];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let field = fields.len() - 1;
        match character {
            '\\' => fields[field].extend(characters.next()),
            ':' => fields.push(Zeroizing::new(String::with_capacity(line.len()))),
            other => fields[field].push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::database::database_address;

    /// A private file with this text, removed in the end.
    struct Written(PathBuf);

    impl Written {
        fn new(text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("grantd-password-{}", uuid::Uuid::new_v4()));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            Self(path)
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn find(url: &str, file: Option<&Path>, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let environment =
            |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        find_password(&database_address(url).unwrap(), file, environment)
            .map(|found| found.map(|password| password.expose().to_owned()))
            .map_err(|error| crate::app::chain(&error))
    }

    #[test]
    fn the_url_is_before_the_file_before_the_variables() {
        let (file, passfile) = (Written::new("from file\n"), Written::new("*:*:*:*:from passfile\n"));
        let variables = [("PGPASSWORD", "from variable"), ("PGPASSFILE", passfile.0.to_str().unwrap())];
        let found = |url, file, variables| find(url, file, variables).unwrap();

        assert_eq!(found("postgres://g:own@db/d", Some(&*file.0), &variables).as_deref(), Some("own"));
        assert_eq!(found("postgres://g@db/d", Some(&*file.0), &variables).as_deref(), Some("from file"));
        assert_eq!(found("postgres://g@db/d", None, &variables).as_deref(), Some("from variable"));
        assert_eq!(found("postgres://g@db/d", None, &variables[1..]).as_deref(), Some("from passfile"));
        assert_eq!(found("postgres://g@db/d", None, &[("PGPASSWORD", "")]), None);
    }

    #[test]
    fn a_password_file_is_one_line_of_a_private_regular_file() {
        let found = |text: &str| find("postgres://g@db/d", Some(&*Written::new(text).0), &[]);
        assert_eq!(found("a b:c \r\n"), Ok(Some("a b:c ".to_owned())));
        for text in ["", "\n", "canary\nline\n", "canary\0"] {
            let message = found(text).unwrap_err();
            assert!(message.contains("one line") && !message.contains("canary"), "{message}");
        }
        let file = Written::new("canary");
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o644)).unwrap();
        let message = find("postgres://g@db/d", Some(&*file.0), &[]).unwrap_err();
        assert!(message.contains("chmod 600") && !message.contains("canary"), "{message}");
        let message = find("postgres://g@db/d", Some(Path::new("/dev/zero")), &[]).unwrap_err();
        assert!(message.contains("must be a regular file"), "{message}");
        assert!(find("postgres://g@db/d", Some(Path::new("/nowhere/p")), &[]).unwrap_err().contains("/nowhere/p"));
    }

    #[test]
    fn a_passfile_has_a_line_for_each_address() {
        let file = Written::new(
            "# comment:\n\ndb:5432:d:other:no\ndb:5432:d:g:first\ndb:*:*:*:second\n\
             [::1]x:1:d:g:no\n\\:\\:1:5432:d:g:six\n/run/pg:5432:d:g:socket\nlocalhost:5432:e:g:local\\:\\\\\n",
        );
        let found = |url| find(url, None, &[("PGPASSFILE", file.0.to_str().unwrap())]);
        assert_eq!(found("postgres://g@db/d"), Ok(Some("first".to_owned())));
        assert_eq!(found("postgres://g@db:1/x"), Ok(Some("second".to_owned())));
        assert!(found("postgres://g@[::1]/d").unwrap_err().contains("line 6: must be HOST:PORT"), "of a broken line");
        fs::write(&file.0, fs::read_to_string(&file.0).unwrap().replace("[::1]x:1", "x:1")).unwrap();
        assert_eq!(found("postgres://g@[::1]/d"), Ok(Some("six".to_owned())));
        assert_eq!(found("postgres://g@/d?host=/run/pg"), Ok(Some("socket".to_owned())));
        assert_eq!(found("postgres://g@/e?host=/run/pg"), Ok(Some("local:\\".to_owned())));
        assert_eq!(found("postgres://g@elsewhere/d"), Ok(None));
    }
}
