//! Level 2: keys and certificates. Who may issue, what is issued, and what the redeem door shows.

mod der;
