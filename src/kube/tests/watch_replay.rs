//! Property test: after any changes and any number of reconnections, a client of watches knows exactly the stored objects.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    watch::{Event, version},
    world::{GRANTS, World, grant},
};

/// What a client does to a grant.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Make,
    Label(bool),
    Annotate,
    Remove,
}

async fn act(world: &World, at: usize, name: &str, deed: Deed) {
    let path = format!("{GRANTS}/{name}");
    match deed {
        Deed::Make => world.post(GRANTS, &grant(name, json!({}))).await,
        Deed::Label(true) => world.patch(&path, &json!({"metadata": {"labels": {"x": "y"}}})).await,
        Deed::Label(false) => world.patch(&path, &json!({"metadata": {"labels": {"x": null}}})).await,
        Deed::Annotate => world.patch(&path, &json!({"metadata": {"annotations": {"n": at.to_string()}}})).await,
        Deed::Remove => world.delete(&path, &Value::Null).await,
    };
}

/// What a client knows.
type Known = BTreeMap<String, Value>;

fn replay(known: &mut Known, (event, object): Event) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    match event.as_str() {
        "ADDED" | "MODIFIED" => {
            assert_eq!(known.insert(name.clone(), object).is_some(), event == "MODIFIED", "{event} {name}");
        }
        "DELETED" => assert!(known.remove(&name).is_some(), "{name} was not known"),
        "BOOKMARK" => {}
        other => panic!("{other} {object}"),
    }
}

async fn listed(world: &World, query: &str) -> (u64, Known) {
    let list = world.get(&format!("{GRANTS}?{query}")).await.object();
    let items = list["items"].as_array().unwrap().iter();
    (version(&list), items.map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item.clone())).collect())
}

/// Lists, and then continues with watches, each of which is closed after so many events, until the client knows everything.
async fn follow(world: &World, query: &str, patience: usize, acts: &[(usize, Deed)]) {
    let (mut at, mut known) = listed(world, query).await;
    let acting = async {
        for (index, (name, deed)) in acts.iter().enumerate() {
            act(world, index, ["a", "b", "c"][*name], *deed).await;
        }
    };
    let mut watching = world.watch(&format!("{query}&resourceVersion={at}&allowWatchBookmarks=true")).await;
    acting.await;
    let (head, expected) = listed(world, query).await;
    for _ in 0..1000 {
        let mut ended = false;
        for _ in 0..patience {
            let wait = timeout(Duration::from_millis(300), watching.next()).await;
            let Ok(Some(event)) = wait else {
                ended = true;
                break;
            };
            assert!(version(&event.1) > at, "{event:?} after {at}");
            at = version(&event.1);
            replay(&mut known, event);
        }
        if ended || at == head {
            break;
        }
        watching = world.watch(&format!("{query}&resourceVersion={at}")).await;
    }
    assert_eq!(known.len(), expected.len());
    for (name, object) in &expected {
        assert_eq!(&known[name], object);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_list_and_the_events_after_it_are_the_list_as_it_is_later(
        before in prop::collection::vec((0..3usize, deeds()), 0..6),
        after in prop::collection::vec((0..3usize, deeds()), 0..20),
        patience in 1..5usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            for query in ["", "labelSelector=x%3Dy", "labelSelector=!x"] {
                let world = World::start().await;
                for (index, (name, deed)) in before.iter().enumerate() {
                    act(&world, index, ["a", "b", "c"][*name], *deed).await;
                }
                follow(&world, query, patience, &after).await;
            }
        });
    }
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Make),
        2 => any::<bool>().prop_map(Deed::Label),
        1 => Just(Deed::Annotate),
        2 => Just(Deed::Remove),
    ]
}
