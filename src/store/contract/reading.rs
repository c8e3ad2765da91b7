//! The answers of reading operations.

use super::{Bench, admission, at, certificate, change, commit, new_grant, on_every_store};
use crate::{
    grant::{Allowance, CodeOrigin, GrantId, GrantMetadata, GrantTerms, Namespace},
    store::{GrantChange, GrantCounts, GrantQuery, GrantStore, LedgerQuery, NewGrant, PageLimit, UpdateError},
};

on_every_store!(
    a_grant_is_read_by_id_and_by_name,
    pages_follow_each_other_in_order_of_namespace_and_name,
    a_namespace_is_listed_alone_wherever_the_page_starts,
    what_a_list_has_is_counted_up_to_the_limit,
    an_empty_page_has_the_revision_too,
    an_update_replaces_what_an_operator_may_change,
    the_ledger_is_read_in_pages,
    the_ledger_of_all_grants_is_read_in_pages_and_keeps_deleted_ones,
    grants_are_counted_by_state,
    the_sweep_takes_what_is_old_and_no_more_than_asked,
    a_check_changes_nothing,
);

async fn a_grant_is_read_by_id_and_by_name<B: Bench>(bench: B) {
    let store = bench.store();
    let created = store.create(new_grant("offer")).await.unwrap();
    let same = |found: Option<_>| assert_eq!(format!("{:?}", found.unwrap()), format!("{created:?}"));

    same(store.get(created.id).await.unwrap());
    same(store.find(created.namespace.clone(), created.name.clone()).await.unwrap());
    assert!(store.get(GrantId::random()).await.unwrap().is_none());
    assert!(store.find("east".parse().unwrap(), created.name.clone()).await.unwrap().is_none());
}

async fn names(store: &impl GrantStore, mut query: GrantQuery) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    for _ in 0..20 {
        let page = store.list(query.clone()).await.unwrap();
        assert!(page.corrupt.is_empty());
        assert_eq!(page.revision, store.revision().await.unwrap());
        pages.push(page.grants.iter().map(|grant| format!("{}/{}", grant.namespace, grant.name)).collect());
        query.after = page.next;
        if query.after.is_none() {
            return pages;
        }
    }
    panic!("the pages do not end");
}

async fn fill(store: &impl GrantStore) {
    let names = [("b", "y"), ("a", "z"), ("b", "x"), ("a", "x"), ("a-0", "x"), ("a", "x.y"), ("a", "x-y")];
    for (namespace, name) in names {
        let grant = NewGrant { namespace: namespace.parse().unwrap(), ..new_grant(name) };
        store.create(grant).await.unwrap();
    }
}

async fn pages_follow_each_other_in_order_of_namespace_and_name<B: Bench>(bench: B) {
    let store = bench.store();
    fill(&*store).await;
    let all = [["a/x", "a/x-y", "a/x.y"].as_slice(), &["a/z", "a-0/x", "b/x"], &["b/y"]];

    assert_eq!(names(&*store, GrantQuery { limit: PageLimit::at_most(3), ..GrantQuery::default() }).await, all);
    assert_eq!(names(&*store, GrantQuery::default()).await, [all.concat()]);
    assert_eq!(names(&*store, GrantQuery { limit: PageLimit::at_most(7), ..GrantQuery::default() }).await.len(), 1);
}

async fn a_namespace_is_listed_alone_wherever_the_page_starts<B: Bench>(bench: B) {
    let store = bench.store();
    fill(&*store).await;
    let query = |after: Option<(&str, &str)>| GrantQuery {
        namespace: Some("a-0".parse().unwrap()),
        after: after.map(|(namespace, name)| (namespace.parse().unwrap(), name.parse().unwrap())),
        limit: PageLimit::at_most(1),
    };
    let none: Vec<String> = Vec::new();

    assert_eq!(names(&*store, query(None)).await, [["a-0/x"]]);
    assert_eq!(names(&*store, query(Some(("a", "zzz")))).await, [["a-0/x"]]);
    assert_eq!(names(&*store, query(Some(("a-0", "w")))).await, [["a-0/x"]]);
    assert_eq!(names(&*store, query(Some(("a-0", "x")))).await, std::slice::from_ref(&none));
    assert_eq!(names(&*store, query(Some(("b", "a")))).await, [none]);
}

async fn what_a_list_has_is_counted_up_to_the_limit<B: Bench>(bench: B) {
    let store = bench.store();
    fill(&*store).await;
    let count = async |namespace: Option<&str>, after: Option<(&str, &str)>, limit| {
        let namespace = namespace.map(|namespace| namespace.parse().unwrap());
        let after = after.map(|(namespace, name)| (namespace.parse().unwrap(), name.parse().unwrap()));
        store.count_listed(GrantQuery { namespace, after, limit: PageLimit::at_most(limit) }).await.unwrap()
    };

    assert_eq!([count(None, None, 100).await, count(None, None, 3).await], [7, 3]);
    assert_eq!([count(None, Some(("a", "x.y")), 100).await, count(None, Some(("b", "y")), 100).await], [4, 0]);
    assert_eq!([count(Some("a"), None, 100).await, count(Some("a"), Some(("a", "x-y")), 100).await], [4, 2]);
    assert_eq!([count(Some("a"), Some(("b", "x")), 100).await, count(Some("b"), Some(("a", "x")), 100).await], [0, 2]);
}

async fn an_empty_page_has_the_revision_too<B: Bench>(bench: B) {
    let store = bench.store();
    fill(&*store).await;
    let query = GrantQuery { namespace: Some(Namespace::default()), ..GrantQuery::default() };
    let page = store.list(query).await.unwrap();
    assert_eq!((page.grants.len(), page.next, page.revision), (0, None, store.revision().await.unwrap()));
}

async fn an_update_replaces_what_an_operator_may_change<B: Bench>(bench: B) {
    let store = bench.store();
    let mut new = new_grant("offer");
    new.metadata.labels.insert("a".to_owned(), "b".to_owned());
    let created = store.create(new).await.unwrap();
    commit(&*store, admission(&created, 1500), certificate()).await.unwrap();
    let read = store.get(created.id).await.unwrap().unwrap();

    let wanted = GrantChange {
        // The store must use its own count, and ignore this one.
        allowance: Allowance::new(9, 5).unwrap(),
        code_origin: CodeOrigin::Given,
        terms: GrantTerms { issuer: Some("other".parse().unwrap()), window: "1h".parse().unwrap() },
        metadata: GrantMetadata::default(),
        generation: 2,
    };
    let updated = store.update(created.id, read.revision, wanted).await.unwrap();

    let stored = store.get(created.id).await.unwrap().unwrap();
    assert_eq!(format!("{stored:?}"), format!("{updated:?}"));
    assert!(stored.code.is_same_as(&created.code) && stored.metadata.is_empty());
    assert_eq!((stored.allowance.allowed(), stored.allowance.made(), stored.generation), (9, 1, 2));
    assert_eq!((stored.terms.window.to_string().as_str(), stored.expires_at), ("1h", created.expires_at));
    assert_eq!((stored.code_origin, stored.terms.issuer.unwrap().as_str()), (CodeOrigin::Given, "other"));
    let gone = store.update(GrantId::random(), read.revision, change(&read)).await;
    assert!(matches!(gone, Err(UpdateError::Gone)));
}

async fn the_ledger_is_read_in_pages<B: Bench>(bench: B) {
    let store = bench.store();
    let grant = store.create(NewGrant { allowed: 5, ..new_grant("offer") }).await.unwrap();
    for _ in 0..5 {
        commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
    }
    let page = async |after, limit| -> Vec<u32> {
        store.redemptions(grant.id, after, limit).await.unwrap().iter().map(|row| row.ordinal).collect()
    };
    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(2, 2).await, [3, 4]);
    assert_eq!(page(4, 2).await, [5]);
    assert!(page(5, 2).await.is_empty());
    assert!(page(0, 0).await.is_empty());
    assert_eq!(page(0, u32::MAX).await.len(), 5);
}

async fn the_ledger_of_all_grants_is_read_in_pages_and_keeps_deleted_ones<B: Bench>(bench: B) {
    let store = bench.store();
    let mut recorded = Vec::new();
    for (namespace, name) in [("west", "one"), ("east", "two"), ("west", "three")] {
        let namespace: Namespace = namespace.parse().unwrap();
        let grant = NewGrant { namespace: namespace.clone(), allowed: 5, ..new_grant(name) };
        let grant = store.create(grant).await.unwrap();
        for ordinal in 1..=3 {
            commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
            recorded.push((grant.id, ordinal, namespace.to_string(), name.to_owned()));
        }
        store.delete(namespace, grant.name, None).await.unwrap();
    }
    recorded.sort();
    let read = async |namespace: Option<&str>, limit| {
        let namespace = namespace.map(|namespace| namespace.parse().unwrap());
        let mut query = LedgerQuery { namespace, after: None, limit: PageLimit::at_most(limit) };
        let (mut rows, mut pages) = (Vec::new(), 0);
        loop {
            let page = store.ledger(query.clone()).await.unwrap();
            assert!(page.corrupt.is_empty());
            rows.extend(page.entries.into_iter().map(|entry| {
                let row = entry.redemption;
                (row.grant_id, row.ordinal, entry.namespace.to_string(), entry.grant.to_string())
            }));
            pages += 1;
            query.after = page.next;
            if query.after.is_none() || pages == 20 {
                return (rows, pages);
            }
        }
    };

    assert_eq!(read(None, 4).await, (recorded.clone(), 3));
    assert_eq!(read(None, 9).await, (recorded.clone(), 1));
    recorded.retain(|(_, _, namespace, _)| namespace == "west");
    assert_eq!(read(Some("west"), 2).await, (recorded, 5));
    assert_eq!(read(Some("nowhere"), 9).await, (Vec::new(), 1));
}

async fn grants_are_counted_by_state<B: Bench>(bench: B) {
    let store = bench.store();
    assert_eq!(store.count(at(1500)).await.unwrap(), GrantCounts::default());
    for number in 0..6 {
        let new = NewGrant { allowed: 1, expires_at: at(2000 + number), ..new_grant(&format!("offer-{number}")) };
        let grant = store.create(new).await.unwrap();
        if number % 2 == 0 {
            commit(&*store, admission(&grant, 1500), certificate()).await.unwrap();
        }
    }
    assert_eq!(store.count(at(1500)).await.unwrap(), GrantCounts { open: 3, expired: 0, exhausted: 3 });
    assert_eq!(store.count(at(2002)).await.unwrap(), GrantCounts { open: 2, expired: 3, exhausted: 1 });
    assert_eq!(store.count(at(9999)).await.unwrap(), GrantCounts { open: 0, expired: 6, exhausted: 0 });
}

async fn the_sweep_takes_what_is_old_and_no_more_than_asked<B: Bench>(bench: B) {
    let store = bench.store();
    for number in 0..4 {
        let expired = NewGrant { expires_at: at(1400), ..new_grant(&format!("expired-{number}")) };
        store.create(expired).await.unwrap();
        let used_up = store.create(NewGrant { allowed: 1, ..new_grant(&format!("used-up-{number}")) }).await.unwrap();
        commit(&*store, admission(&used_up, 1500), certificate()).await.unwrap();
    }
    let half = store.create(new_grant("half")).await.unwrap();
    commit(&*store, admission(&half, 1100), certificate()).await.unwrap();

    assert_eq!(store.sweep(at(1400), 100).await.unwrap(), 0, "what expired at the cutoff stays");
    assert_eq!(store.sweep(at(1500), 100).await.unwrap(), 4, "what was used up at the cutoff stays");
    assert_eq!(store.sweep(at(1501), 3).await.unwrap(), 3);
    let before = store.revision().await.unwrap();
    assert_eq!(store.sweep(at(1501), 3).await.unwrap(), 1);
    assert!(store.revision().await.unwrap() > before);
    assert_eq!(store.sweep(at(2000), 3).await.unwrap(), 0);
    assert!(store.get(half.id).await.unwrap().is_some());
}

async fn a_check_changes_nothing<B: Bench>(bench: B) {
    let store = bench.store();
    let revision = store.revision().await.unwrap();
    store.check().await.unwrap();
    assert_eq!(store.revision().await.unwrap(), revision);
}
