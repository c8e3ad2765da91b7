use super::world::{GRANTS, World, grant};
use serde_json::{Value, json};

const EVERYWHERE: &str = "/apis/skupper.io/v2alpha1/accessgrants";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

async fn world_with(names: &[&str]) -> World {
    let world = World::start().await;
    for name in names {
        let mut body = grant(name, json!({}));
        body["metadata"]["labels"] = json!({"first": &name[..1]});
        assert_eq!(world.post(GRANTS, &body).await.status, 201);
    }
    world
}

#[tokio::test]
async fn a_list_holds_whole_objects_of_one_namespace_or_of_all() {
    let world = world_with(&["a", "b"]).await;
    world.post(&GRANTS.replace("west", "edge"), &grant("c", json!({}))).await.object();

    let west = world.get(GRANTS).await.object();
    let all = world.get(EVERYWHERE).await.object();

    assert_eq!((&west["kind"], &west["apiVersion"]), (&json!("AccessGrantList"), &json!("skupper.io/v2alpha1")));
    assert_eq!(names(&west), ["a", "b"]);
    assert_eq!(west["items"][0], world.get(&format!("{GRANTS}/a")).await.object());
    assert_eq!(names(&all), ["c", "a", "b"], "by namespace, then by name");
    let version: u64 = all["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(version >= all["items"][0]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap());
    assert_eq!(names(&world.get(&GRANTS.replace("west", "nowhere")).await.object()), [""; 0]);
}

#[tokio::test]
async fn pages_together_are_the_whole_list() {
    let world = world_with(&["a", "b", "c", "d", "e"]).await;
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    let mut version = Value::Null;
    while pages < 10 {
        let page = world.get(&format!("{GRANTS}?limit=2&continue={token}")).await.object();
        pages += 1;
        seen.extend(names(&page).into_iter().map(str::to_owned));
        assert!(version.is_null() || version == page["metadata"]["resourceVersion"]);
        version = page["metadata"]["resourceVersion"].clone();
        // A write between two pages changes neither the order nor the version of the list.
        world.post(GRANTS, &grant(&format!("0{pages}"), json!({}))).await.object();
        match page["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((seen.join(""), pages), ("abcde".to_owned(), 3));
}

#[tokio::test]
async fn a_page_says_how_many_objects_remain_unless_they_are_selected() {
    let world = world_with(&["a", "b", "c", "d", "e"]).await;
    let remaining = async |path: String| world.get(&path).await.object()["metadata"]["remainingItemCount"].clone();

    assert_eq!(remaining(format!("{GRANTS}?limit=2")).await, 3);
    assert_eq!(remaining("/apis/skupper.io/v2alpha1/accessgrants?limit=4".to_owned()).await, 1);
    assert_eq!(remaining(format!("{GRANTS}?limit=5")).await, Value::Null);
    assert_eq!(remaining(format!("{GRANTS}?limit=2&labelSelector=!x")).await, Value::Null);
    assert_eq!(remaining("/apis/skupper.io/v2alpha1/sites?limit=1".to_owned()).await, 2);
}

#[tokio::test]
async fn a_list_is_never_of_the_future_whatever_its_token_says() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = world_with(&["a", "b"]).await;
    let now = world.get(GRANTS).await.object()["metadata"]["resourceVersion"].clone();
    let token = URL_SAFE_NO_PAD.encode(format!("2/accessgrants/west/{}/west/a", u64::MAX));

    let list = world.get(&format!("{GRANTS}?continue={token}")).await.object();

    assert_eq!((names(&list), &list["metadata"]["resourceVersion"]), (vec!["b"], &now));
}

#[tokio::test]
async fn a_list_is_not_continued_with_the_token_of_another() {
    let world = world_with(&["a", "b"]).await;
    let token = |list: Value| list["metadata"]["continue"].as_str().unwrap().to_owned();
    let west = token(world.get(&format!("{GRANTS}?limit=1")).await.object());
    let all = token(world.get(&format!("{EVERYWHERE}?limit=1")).await.object());
    assert_eq!(names(&world.get(&format!("{EVERYWHERE}?continue={all}")).await.object()), ["b"]);
    for (path, token) in [
        (EVERYWHERE, &west),
        (GRANTS, &all),
        ("/apis/skupper.io/v2alpha1/namespaces/bare/accessgrants", &west),
        ("/apis/skupper.io/v2alpha1/namespaces/west/links", &west),
        ("/api/v1/secrets", &all),
    ] {
        let refused = world.get(&format!("{path}?continue={token}")).await;
        assert_eq!(refused.failure().0, 400, "{path}");
        assert!(refused.text.contains("another list"), "{}", refused.text);
    }
}

#[tokio::test]
async fn a_page_that_fits_exactly_is_the_last() {
    let world = world_with(&["a", "b"]).await;
    let list = world.get(&format!("{GRANTS}?limit=2")).await.object();
    assert_eq!((names(&list).len(), list["metadata"].get("continue")), (2, None));
}

#[tokio::test]
async fn selectors_select() {
    let world = world_with(&["aa", "ab", "b"]).await;
    let table = [
        ("fieldSelector=metadata.name%3Dab", vec!["ab"]),
        ("fieldSelector=metadata.name%3Dab,metadata.namespace%3Deast", vec![]),
        ("fieldSelector=metadata.name!%3Dab", vec!["aa", "b"]),
        ("labelSelector=first%3Da", vec!["aa", "ab"]),
        ("labelSelector=first+in+%28b%2Cc%29", vec!["b"]),
        ("labelSelector=!first", vec![]),
        ("labelSelector=first%3Da&limit=2", vec!["aa", "ab"]),
        ("labelSelector=&fieldSelector=", vec!["aa", "ab", "b"]),
    ];
    for (query, expected) in table {
        assert_eq!(names(&world.get(&format!("{GRANTS}?{query}")).await.object()), expected, "{query}");
    }
    let page = world.get(&format!("{GRANTS}?labelSelector=first%3Da&limit=1")).await.object();
    let token = page["metadata"]["continue"].as_str().unwrap();
    let rest = world.get(&format!("{GRANTS}?labelSelector=first%3Da&limit=1&continue={token}")).await.object();
    assert_eq!((names(&page), names(&rest), rest["metadata"].get("continue")), (vec!["aa"], vec!["ab"], None));
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused() {
    let world = world_with(&["a"]).await;
    for (query, code) in [
        ("fieldSelector=spec.code%3Dx", 400),
        ("labelSelector=a%3E1", 400),
        ("limit=x", 400),
        ("limit=-1", 400),
        ("continue=x", 400),
        ("labelSelector=%zz", 400),
    ] {
        assert_eq!(world.get(&format!("{GRANTS}?{query}")).await.failure().0, code, "{query}");
    }
    let message = world.get(&format!("{GRANTS}?fieldSelector=spec.code%3Dx")).await;
    assert_eq!(message.failure().2, "field label not supported: spec.code");
    assert_eq!(world.get(&format!("{GRANTS}/a?watch=true")).await.failure().1, "MethodNotAllowed");
}

#[tokio::test]
async fn every_request_is_counted() {
    let world = world_with(&["a"]).await;
    world.get(GRANTS).await.object();
    assert_eq!(world.get(&format!("{GRANTS}/nope")).await.status, 404);
    assert_eq!(world.get("/nowhere").await.status, 404);
    assert_eq!(world.get("/apis").await.status, 200);

    let text = world.app.metrics().render();
    for line in [
        "grantd_admin_requests_total{code=\"2xx\",resource=\"accessgrants\",verb=\"create\"} 1",
        "grantd_admin_requests_total{code=\"2xx\",resource=\"accessgrants\",verb=\"list\"} 1",
        "grantd_admin_requests_total{code=\"4xx\",resource=\"accessgrants\",verb=\"get\"} 1",
        "grantd_admin_requests_total{code=\"4xx\",resource=\"other\",verb=\"other\"} 1",
        "grantd_admin_requests_total{code=\"2xx\",resource=\"discovery\",verb=\"get\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "missing: {line}");
    }
}
