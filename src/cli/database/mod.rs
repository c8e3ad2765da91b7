//! Which database the store is in: the URL that an operator writes, and the password that belongs to it.

mod password;
mod url;
