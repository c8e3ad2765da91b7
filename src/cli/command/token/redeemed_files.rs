//! The files of a redeemed bundle: checks before the token is used, and writing afterwards.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::own_key::OwnKey;
use crate::{
    cli::{error::CliError, files::is_taken, output::shell_word},
    file::{self, Access, Existing, FileError},
    grant::{LinkName, Namespace},
    link::Bundle,
};

/// Refuses before the token is used if a file of this link exists, or cannot be replaced. Files of every number are
/// checked, as the server decides how many Links there are.
pub(super) fn refuse_taken(directory: &Path, name: &LinkName, existing: Existing) -> Result<(), CliError> {
    let mut taken: Vec<PathBuf> =
        [secret_file(name.as_str()), link_file(name.as_str())].map(|file| directory.join(file)).to_vec();
    taken.retain(|path| is_taken(path));
    let unreadable = |source| CliError::Read(FileError { action: "read", path: directory.to_owned(), source });
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if is_numbered_link(&entry.file_name().to_string_lossy(), name) {
            taken.push(entry.path());
        }
    }
    let hint = match existing {
        Existing::Keep => "choose another directory with --output, or replace what is there with --force",
        Existing::Replace => {
            taken.retain(|path| file::irregular(path).is_some());
            "choose another directory with --output; these are not regular files, and only those are replaced"
        }
    };
    if taken.is_empty() {
        return Ok(());
    }
    let files = taken.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(CliError::refused(format!("the token was not redeemed, because its files are there already: {files}"), hint))
}

fn secret_file(name: &str) -> String {
    format!("Secret-{name}.yaml")
}

fn link_file(name: &str) -> String {
    format!("Link-{name}.yaml")
}

/// Whether a file is `Link-NAME-1.yaml` or a further one.
fn is_numbered_link(file: &str, name: &LinkName) -> bool {
    let number = file.strip_prefix("Link-").and_then(|rest| rest.strip_prefix(name.as_str()));
    let number = number.and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix(".yaml"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Why not all files of a bundle could be written, and the files that were written.
#[derive(Debug)]
struct NotWritten {
    written: Vec<PathBuf>,
    source: FileError,
}

/// Writes the files of a bundle and returns their paths. A redemption without a key of its own cannot be repeated, so if they
/// cannot be written, the bundle is written to one file in another directory.
///
/// # Errors
/// [`CliError::Spent`], which says where that file is.
pub(super) fn write_or_rescue(
    directory: &Path,
    bundle: &Bundle,
    namespace: Option<&Namespace>,
    existing: Existing,
    own: Option<&OwnKey>,
) -> Result<Vec<PathBuf>, CliError> {
    write_files(directory, bundle, namespace, existing).map_err(|NotWritten { written, source }| {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let places = [Some(PathBuf::from(".")), home, Some(std::env::temp_dir())];
        let rescued = rescue(&places.into_iter().flatten().collect::<Vec<_>>(), bundle, namespace);
        // A server that took the code instead counts a second redemption.
        let again = own.filter(|own| own.key().is_certified_by(&bundle.secret.certificate_pem));
        CliError::Spent { again: again.map(|own| own.path().to_owned()), written, rescued, source }
    })
}

/// Writes the whole bundle to a file that only its owner can read, in the first directory where that is possible, and
/// returns its path.
fn rescue(directories: &[PathBuf], bundle: &Bundle, namespace: Option<&Namespace>) -> Option<PathBuf> {
    let text = whole(bundle, namespace);
    let file = format!("redeemed-{}-{}.yaml", bundle.secret.name, uuid::Uuid::new_v4().as_simple());
    let mut paths = directories.iter().map(|directory| directory.join(&file));
    paths.find(|path| file::write(path, text.as_bytes(), Access::Private, Existing::Keep).is_ok())
}

/// The Secret and the Links as one text.
fn whole(bundle: &Bundle, namespace: Option<&Namespace>) -> Zeroizing<String> {
    const SEPARATOR: &str = "---\n";
    let secret = bundle.secret.write(namespace);
    let links: Vec<_> = bundle.links.iter().map(|link| link.write(namespace)).collect();
    let length = secret.len() + links.iter().map(|link| SEPARATOR.len() + link.len()).sum::<usize>();
    let mut text = Zeroizing::new(String::with_capacity(length));
    let capacity = text.capacity();
    text.push_str(&secret);
    for link in &links {
        text.push_str(SEPARATOR);
        text.push_str(link);
    }
    debug_assert_eq!(text.capacity(), capacity, "a buffer that grows leaves a copy of the key behind");
    text
}

/// Writes the Secret, which only the owner can read, and the Links, which everyone can read; returns the paths.
fn write_files(
    directory: &Path,
    bundle: &Bundle,
    namespace: Option<&Namespace>,
    existing: Existing,
) -> Result<Vec<PathBuf>, NotWritten> {
    let mut written = Vec::new();
    let mut write = |file: String, text: &str, access| {
        let path = directory.join(file);
        match file::write(&path, text.as_bytes(), access, existing) {
            Ok(()) => {
                share(&path, access);
                written.push(path);
                Ok(())
            }
            Err(source) => Err(NotWritten { written: written.clone(), source }),
        }
    };
    write(secret_file(bundle.secret.name.as_str()), &bundle.secret.write(namespace), Access::Private)?;
    for link in &bundle.links {
        write(link_file(link.name.as_str()), &link.write(namespace), Access::Public)?;
    }
    Ok(written)
}

/// Lets everyone read a Link: the umask of the process makes new files private, but a Link contains no secret, and its
/// site may run as another user.
fn share(path: &Path, access: Access) {
    match access {
        Access::Private => {}
        // If this fails the file stays private, and is still complete.
        Access::Public => drop(fs::set_permissions(path, fs::Permissions::from_mode(0o644))),
    }
}

/// The text about the namespace of the files, and the commands that load them. The commands name each file, as the directory
/// may contain others, such as the token.
pub(super) fn next_steps(written: &[PathBuf], namespace: Option<&Namespace>) -> String {
    let files = written.iter().map(|path| format!(" -f {}", shell_word(path))).collect::<String>();
    let named = match namespace {
        Some(namespace) => format!("The files name the namespace \"{namespace}\": they are for a site in it and no other."),
        None => "The files name no namespace. Skupper without Kubernetes reads that as \"default\": before a site in another\n\
                 namespace loads them, write 'namespace: NAME' below 'metadata:' in each. kubectl takes its current namespace."
            .to_owned(),
    };
    let (directory, flag) = match namespace {
        Some(namespace) if *namespace != Namespace::default() => (namespace.as_str(), format!(" -n {namespace}")),
        Some(_) | None => (Namespace::DEFAULT, String::new()),
    };
    format!(
        "\n{named}\n\n\
         The link becomes active when its site loads these files. Without Kubernetes, have them in\n\
         input/resources of the site's namespace (by default ~/.local/share/skupper/namespaces/{directory}) and run:\n\n\
         \tskupper system reload{flag}\n\nOn Kubernetes, run:\n\n\tkubectl apply{files}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("grantd-redeem-{}", uuid::Uuid::new_v4()));
        file::create_private_directory(&path).unwrap();
        path
    }

    #[test]
    fn a_numbered_link_is_not_taken_for_another_token_s() {
        let name: LinkName = "west".parse().unwrap();
        assert!(is_numbered_link("Link-west-1.yaml", &name) && is_numbered_link("Link-west-12.yaml", &name));
        for file in
            ["Link-west.yaml", "Link-west-.yaml", "Link-west-x.yaml", "Link-westing-1.yaml", "Secret-west-1.yaml"]
        {
            assert!(!is_numbered_link(file, &name), "{file}");
        }
    }

    #[test]
    fn files_that_exist_are_named_before_a_redemption_is_spent() {
        let directory = scratch();
        let name: LinkName = "west".parse().unwrap();
        assert!(refuse_taken(&directory, &name, Existing::Keep).is_ok());
        fs::write(directory.join("Link-west-2.yaml"), "x").unwrap();
        fs::write(directory.join("Secret-west.yaml"), "x").unwrap();

        let message = refuse_taken(&directory, &name, Existing::Keep).unwrap_err().to_string();
        assert!(message.starts_with("the token was not redeemed"), "{message}");
        assert!(message.contains("Secret-west.yaml") && message.contains("Link-west-2.yaml"), "{message}");

        assert!(refuse_taken(&directory, &name, Existing::Replace).is_ok());
        fs::create_dir(directory.join("Link-west-1.yaml")).unwrap();
        std::os::unix::fs::symlink("elsewhere", directory.join("Link-west-3.yaml")).unwrap();
        let message = refuse_taken(&directory, &name, Existing::Replace).unwrap_err().to_string();
        assert!(message.contains("Link-west-1.yaml") && message.contains("Link-west-3.yaml"), "{message}");
        assert!(!message.contains("Link-west-2.yaml") && !message.contains("Secret-west.yaml"), "{message}");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_redemption_with_a_key_of_its_own_is_repeated_and_not_called_spent() {
        let error = CliError::Spent {
            again: Some("/d/west.key.pending".into()),
            written: vec!["Secret-west.yaml".into()],
            rescued: None,
            source: FileError {
                action: "write",
                path: "Link-west.yaml".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            },
        };
        let said = format!("{} {}", error.chain(), error.hint().unwrap());
        assert!(said.contains("again with --force: /d/west.key.pending") && !said.contains("spent"), "{said}");
    }

    const BUNDLE: &[u8] = b"apiVersion: v1
kind: Secret
metadata: {name: west}
type: kubernetes.io/tls
data:
  ca.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=
  tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=
  tls.key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0gKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo=
---
apiVersion: skupper.io/v2alpha1
kind: Link
metadata: {name: west}
spec:
  endpoints: [{group: a, host: 10.1.1.1, name: inter-router, port: '55671'}]
  tlsCredentials: west
";

    #[test]
    fn the_secret_is_the_owner_s_alone_and_the_link_is_not() {
        let directory = scratch();
        let bundle = Bundle::read(BUNDLE).unwrap();
        let east = "east".parse().unwrap();

        let written = write_files(&directory, &bundle, Some(&east), Existing::Keep).unwrap();

        assert_eq!(written, [directory.join("Secret-west.yaml"), directory.join("Link-west.yaml")]);
        let modes = written.iter().map(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert_eq!(modes.collect::<Vec<_>>(), [0o600, 0o644]);
        assert!(fs::read_to_string(&written[1]).unwrap().contains("namespace: \"east\""));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_text_names_the_namespace_that_was_written_or_says_what_none_means() {
        let files = [PathBuf::from("Secret-west.yaml"), PathBuf::from("Link-west.yaml")];
        let east = next_steps(&files, Some(&"east".parse().unwrap()));
        assert!(east.contains("The files name the namespace \"east\""), "{east}");
        assert!(
            east.contains("skupper/namespaces/east)") && east.contains("skupper system reload -n east\n"),
            "{east}"
        );

        let none = next_steps(&files, None);
        assert!(
            none.contains("The files name no namespace. Skupper without Kubernetes reads that as \"default\""),
            "{none}"
        );
        assert!(none.contains("skupper/namespaces/default)") && none.contains("skupper system reload\n"), "{none}");
        assert!(none.ends_with("kubectl apply -f Secret-west.yaml -f Link-west.yaml"), "{none}");
    }

    #[test]
    fn what_was_written_before_a_failure_is_reported() {
        let directory = scratch();
        fs::create_dir(directory.join("Link-west.yaml")).unwrap();
        let bundle = Bundle::read(BUNDLE).unwrap();

        let error = write_files(&directory, &bundle, None, Existing::Replace).unwrap_err();

        assert_eq!(error.written, [directory.join("Secret-west.yaml")]);
        assert_eq!(error.source.path, directory.join("Link-west.yaml"));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_bundle_that_cannot_be_written_is_kept_in_the_first_directory_that_takes_it() {
        let directory = scratch();
        let bundle = Bundle::read(BUNDLE).unwrap();
        let places = [directory.join("none"), directory.clone()];

        let kept = rescue(&places, &bundle, Some(&"east".parse().unwrap())).unwrap();

        assert_eq!(kept.parent(), Some(directory.as_path()));
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&kept).unwrap();
        let read = Bundle::read(text.as_bytes()).unwrap();
        assert_eq!((read.secret.key.expose(), read.links), (bundle.secret.key.expose(), bundle.links.clone()));
        assert_eq!(text.matches("namespace: \"east\"").count(), 2, "{text}");
        assert!(rescue(&places[..1], &bundle, None).is_none());
        fs::remove_dir_all(&directory).unwrap();
    }
}
