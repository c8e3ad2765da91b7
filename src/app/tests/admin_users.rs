use std::time::Duration;

use tokio::time::timeout;

use crate::{
    app::{AdminUsers, UserRegister},
    pki::{AdminCertificate, AdminUser},
    time::Timestamp,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + second)
}

fn certificate(name: &str, serial: &str, issued_at: Timestamp) -> AdminCertificate {
    let user = AdminUser { name: name.parse().unwrap(), scope: "grantd:west:read".parse().unwrap() };
    AdminCertificate { user, serial: serial.parse().unwrap(), issued_at, not_after: issued_at.saturating_add(DAY) }
}

#[test]
fn a_revoked_name_loses_every_certificate_of_the_past_and_none_of_the_future() {
    let mut register = UserRegister::default();
    let (listed, unlisted) = (certificate("alice", "01", at(0)), certificate("alice", "02", at(0)));
    let other = certificate("bob", "03", at(0));
    register.issued(listed.clone(), at(0)).unwrap();

    assert_eq!(register.revoke_name(&listed.user.name, at(10)), 1);
    // Made in the same second as the revocation, but after it.
    let new = certificate("alice", "04", at(10));
    register.issued(new.clone(), at(10)).unwrap();

    assert_eq!(register.revoked_at(&listed), Some(at(10)));
    assert_eq!(register.revoked_at(&unlisted), Some(at(10)));
    assert_eq!((register.revoked_at(&other), register.revoked_at(&new)), (None, None));
    assert_eq!(register.revoked_at(&certificate("alice", "05", at(11))), None);
}

#[test]
fn a_revoked_serial_is_one_certificate_listed_or_not() {
    let mut register = UserRegister::default();
    let (listed, unlisted) = (certificate("alice", "01", at(0)), certificate("alice", "02", at(0)));
    register.issued(listed.clone(), at(0)).unwrap();

    assert_eq!(register.revoke_serial(&listed.serial, at(5)), Some(listed.user.clone()));
    assert_eq!(register.revoke_serial(&unlisted.serial, at(5)), None);

    assert_eq!((register.revoked_at(&listed), register.revoked_at(&unlisted)), (Some(at(5)), Some(at(5))));
    assert_eq!(register.revoked_at(&certificate("alice", "03", at(0))), None);
}

#[test]
fn a_certificate_that_connects_is_listed_as_it_is() {
    let mut register = UserRegister::default();
    let (good, revoked) = (certificate("bob", "01", at(0)), certificate("alice", "02", at(0)));
    register.revoke_name(&revoked.user.name, at(1));

    assert!(register.seen(&good, at(2)) && register.seen(&revoked, at(2)));
    assert!(!register.seen(&good, at(3)), "once is enough");

    let listed: Vec<_> =
        register.certificates().iter().map(|one| (one.certificate.user.name.as_str(), one.revoked_at)).collect();
    assert_eq!(listed, [("alice", Some(at(1))), ("bob", None)]);
}

#[test]
fn what_is_written_reads_back_and_nothing_else_is_read() {
    let mut register = UserRegister::default();
    register.issued(certificate("alice", "01", at(0)), at(0)).unwrap();
    register.issued(certificate("bob b", "02", at(0)), at(0)).unwrap();
    register.revoke_name(&"alice".parse().unwrap(), at(1));
    register.revoke_serial(&"0B".parse().unwrap(), at(1));
    let text = register.document().to_string();

    assert_eq!(UserRegister::read(text.as_bytes()), Ok(register));
    for (part, instead) in [
        ("\"format\":1", "\"format\":2"),
        ("\"alice\"", "\"a:b\""),
        ("\"revokedNames\"", "\"names\""),
        ("\"0B\"", "\"B\""),
        ("revokedAt\":\"2023", "revokedAt\":\"x2023"),
        ("grantd:west:read", "grantd:west:all"),
        ("{", ""),
    ] {
        assert!(text.contains(part), "{part} in {text}");
        assert!(UserRegister::read(text.replace(part, instead).as_bytes()).is_err(), "{instead}");
    }
    assert!(UserRegister::read(b"").is_err());
}

#[test]
fn expired_certificates_leave_the_list_and_a_full_list_takes_no_more() {
    let mut register = UserRegister::default();
    register.issued(certificate("old", "01", at(0)), at(0)).unwrap();
    let month = 32 * 24 * 3600;
    register.issued(certificate("new", "02", at(month)), at(month)).unwrap();
    assert_eq!(register.certificates().len(), 1);

    for number in 0..2999 {
        register.issued(certificate("new", &format!("03{number:06}"), at(month)), at(month)).unwrap();
    }
    let one_more = certificate("new", "04", at(month));
    assert!(register.issued(one_more.clone(), at(month)).is_err());
    assert!(register.document().to_string().len() < 1024 * 1024, "the file stays readable");
    // A revocation needs no place, and one that has expired makes place.
    register.revoke_name(&one_more.user.name, at(month));
    assert_eq!(register.revoked_at(&one_more), Some(at(month)));
    assert!(register.issued(one_more, at(month).saturating_add(2 * DAY)).is_ok());
}

#[tokio::test]
async fn an_open_connection_learns_of_its_revocation_and_of_no_other() {
    let users = AdminUsers::default();
    let (alice, bob) = (certificate("alice", "01", at(0)), certificate("bob", "02", at(0)));
    assert!(users.admits(&alice) && users.admits(&bob) && users.admits(&bob));
    assert_eq!(users.take_seen(), [alice.clone(), bob.clone()]);

    let mut register = UserRegister::default();
    register.revoke_name(&alice.user.name, at(1));
    let (_, revoked) =
        tokio::join!(async { users.replace(register) }, timeout(Duration::from_secs(10), users.revoked(&alice)));
    revoked.unwrap();

    assert!(!users.admits(&alice) && users.admits(&bob));
    assert!(timeout(Duration::from_millis(50), users.revoked(&bob)).await.is_err());
}
