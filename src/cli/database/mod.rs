//! Which database the store is in: the URL that an operator writes, and the password that belongs to it.

mod password;
mod url;

pub(crate) use password::{PasswordError, with_password};
pub(crate) use url::{database_address, is_protected};
