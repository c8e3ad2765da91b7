//! The `grantd` program.

fn main() {}
