//! Sealed values are bound to their rows, and those of the older form are still read.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{raw, run};
use crate::store::{
    GrantStore, ObjectKind, ObjectStore, ObjectWrite, StoreError,
    contract::{Bench, Files, SqliteBench, at, change, content, key, new_grant, read_object},
};

fn is_corrupt<T: std::fmt::Debug>(read: &Result<T, StoreError>, column: &str) -> bool {
    matches!(read, Err(StoreError::Corrupt { what, .. }) if *what == column)
}

#[tokio::test]
async fn objects_whose_places_are_exchanged_do_not_open() {
    let bench = SqliteBench::fresh().await;
    let (west, east) = (key(ObjectKind::Secret, "west", "router"), key(ObjectKind::Secret, "east", "router"));
    for place in [&west, &east] {
        let (uid, content) = (uuid::Uuid::new_v4(), content(place.namespace.as_str()));
        read_object(&*bench.store, ObjectWrite::Create { key: place.clone(), uid, created_at: at(1000), content })
            .await;
    }

    run(
        &mut raw(&bench.files).await,
        "UPDATE object SET namespace = 'between' WHERE namespace = 'west';
         UPDATE object SET namespace = 'west' WHERE namespace = 'east';
         UPDATE object SET namespace = 'east' WHERE namespace = 'between'",
    )
    .await
    .unwrap();

    for place in [west, east] {
        let read = bench.store.object(place.clone()).await;
        assert!(is_corrupt(&read, "sealed_content"), "{place}: {read:?}");
    }
}

#[tokio::test]
async fn an_object_that_is_given_another_kind_does_not_open() {
    let bench = SqliteBench::fresh().await;
    let (secret, link) = (key(ObjectKind::Secret, "west", "router"), key(ObjectKind::Link, "west", "router"));
    let (uid, content) = (uuid::Uuid::new_v4(), content("secret"));
    read_object(&*bench.store, ObjectWrite::Create { key: secret, uid, created_at: at(1000), content }).await;

    run(&mut raw(&bench.files).await, "UPDATE object SET kind = 'Link'").await.unwrap();

    let read = bench.store.object(link).await;
    assert!(is_corrupt(&read, "sealed_content"), "{read:?}");
}

#[tokio::test]
async fn a_grant_that_is_given_another_name_or_namespace_does_not_open() {
    for statement in ["UPDATE access_grant SET name = 'other'", "UPDATE access_grant SET namespace = 'east'"] {
        let bench = SqliteBench::fresh().await;
        let grant = bench.store.create(new_grant("offer")).await.unwrap();
        bench.store.close().await.unwrap();
        run(&mut raw(&bench.files).await, statement).await.unwrap();

        let bench = bench.reopened().await;

        let read = bench.store.get(grant.id).await;
        assert!(is_corrupt(&read, "sealed_code"), "{statement}: {read:?}");
    }
}

/// A grant and an object as the program before version byte 2 stored them, sealed with a key of 32 bytes of value 7.
const FIRST_FORM: &str = "INSERT INTO access_grant (uid, namespace, name, sealed_code, code_origin, redemptions_allowed, \
     redemptions, expiration_window, expires_at, created_at, generation, revision, sealed_metadata) VALUES \
     ('0bde8a35-8a3b-4a8f-9d36-5c2b5a3f1e01', 'west', 'offer', \
     x'010101010101010101010101013ad0f8f4fc8d8154e690e410175528419b9a6cc041c30b58a95e9b7dde25d14466819cb8ff118fae', \
     'generated', 2, 0, '15m', 2000, 1000, 1, 2, \
     x'0102020202020202020202020261968566398ed954386afd9583a0f658a83115d652d744daa97e923d73fed500a0ecedfc1fda4ff6b7c298\
88f39ca213c90f74dfd45b5b43bc6cc1c793dbfc4b663a77'); \
     INSERT INTO object (kind, namespace, name, uid, generation, revision, created_at, sealed_content) VALUES \
     ('Secret', 'west', 'router', '0bde8a35-8a3b-4a8f-9d36-5c2b5a3f1e02', 1, 3, 1000, \
     x'010303030303030303030303035edccf62384d3231587a3821c7759e628353948ec0fcfb1e5cfcbdca9ec962dadec30400a1808733beed28\
27b7b5c531425c67e6b3a0521b480a53de433755ae17ab7ce72692579fb907ba27fc'); \
     UPDATE store_state SET revision = 3";

/// The version bytes of all sealed values of the grant and the object.
async fn forms(bench: &SqliteBench) -> Vec<String> {
    use sqlx::Row as _;
    let forms = "SELECT hex(substr(sealed_code, 1, 1)) AS form FROM access_grant \
         UNION ALL SELECT hex(substr(sealed_metadata, 1, 1)) FROM access_grant \
         UNION ALL SELECT hex(substr(sealed_content, 1, 1)) FROM object";
    let rows = sqlx::query(forms).fetch_all(&mut raw(&bench.files).await).await.unwrap();
    rows.iter().map(|row| row.get("form")).collect()
}

#[tokio::test]
async fn values_of_the_first_form_are_read_and_written_in_the_second() {
    let files = Files::new();
    fs::write(files.key(), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap();
    fs::set_permissions(files.key(), fs::Permissions::from_mode(0o600)).unwrap();
    let bench = SqliteBench::on(files).await;
    run(&mut raw(&bench.files).await, FIRST_FORM).await.unwrap();

    let grant = bench.store.find("west".parse().unwrap(), "offer".parse().unwrap()).await.unwrap().unwrap();
    let place = key(ObjectKind::Secret, "west", "router");
    let object = bench.store.object(place.clone()).await.unwrap().unwrap();
    assert_eq!((grant.code.expose(), &*grant.metadata.labels["a"]), ("L1qCl2mZ7D81gbXp3ax4YT0K", "b"));
    assert_eq!(object.content, content("old"));
    assert_eq!(forms(&bench).await, ["01", "01", "01"]);

    bench.store.update(grant.id, grant.revision, change(&grant)).await.unwrap();
    let update = ObjectWrite::Update {
        key: place.clone(),
        expected: object.revision,
        generation: 2,
        content: content("new"),
        labels_before: None,
    };
    bench.store.write_objects(vec![update]).await.unwrap();

    assert_eq!(forms(&bench).await, ["01", "02", "02"], "the code never changes");
    let grant = bench.store.get(grant.id).await.unwrap().unwrap();
    assert_eq!((grant.code.expose(), &*grant.metadata.labels["a"]), ("L1qCl2mZ7D81gbXp3ax4YT0K", "b"));
    assert_eq!(bench.store.object(place).await.unwrap().unwrap().content, content("new"));
}
