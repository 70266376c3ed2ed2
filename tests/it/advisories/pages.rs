//! Stored texts on pages.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use hubcheck::model::{
    Cause, Claim, Fate, JudgedClaim, Outcome, Place, RunId, StepResult, TestResults, Verdict,
};
use hubcheck::store::NewRun;
use regex::Regex;

use crate::support::store::new_run;
use crate::support::web::House;

/// Texts that have come alive on somebody's page.
const HOSTILE: [&str; 16] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></pre></code></td></table><h1>x",
    "<svg/onload=alert(1)>",
    "<!-- ",
    "--><b>",
    "<![CDATA[<b>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<a href=\"javascript:alert(1)\">",
    "<iframe srcdoc='<script>1</script>'>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "\u{0}<\u{0}script>",
    "<\u{1b}[31mscript\u{1b}[0m>",
];

/// A run with this text in every place that a stranger's text can reach.
async fn runs_of(house: &House, number: usize, text: &str) -> [RunId; 2] {
    let digest = |kind: char| format!("sha256:{kind}{number:063x}").parse().unwrap();
    let claim = Claim {
        place: Place::OciLabel,
        source: Some(text.to_owned()),
        revision: Some(text.to_owned()),
        problem: None,
    };
    let mut new = NewRun {
        claims: vec![JudgedClaim {
            claim,
            fate: Fate::Ignored(text.to_owned()),
        }],
        digest: digest('a'),
        ..new_run(&format!("judged-{number}"), 'a', 1)
    };
    text.clone_into(&mut new.plan.steps[0].name);
    let hubcheck::model::StepKind::Run {
        args,
        entrypoint,
        env,
    } = &mut new.plan.steps[0].kind
    else {
        panic!("another step");
    };
    *args = vec![text.to_owned()];
    *entrypoint = Some(vec![text.to_owned()]);
    env.insert(text.to_owned(), text.to_owned());
    let step = |cause| StepResult {
        name: text.to_owned(),
        cause,
        duration: Duration::from_secs(1),
        tests: TestResults::default(),
    };
    let verdict = Verdict {
        outcome: Outcome::Failed,
        title: text.to_owned(),
        steps: vec![
            step(Cause::CommandNotFound {
                command: text.to_owned(),
            }),
            step(Cause::NotRunnable {
                reason: text.to_owned(),
            }),
        ],
        superseded_by: None,
    };
    let judged = house.judged(&new, &verdict, text.as_bytes()).await;
    // Another one whose trouble quotes the text.
    new.tag = format!("waits-{number}").parse().unwrap();
    new.digest = digest('b');
    let waiting = house.admit(&new).await;
    let lease = house.lease(waiting).await;
    house
        .shelf
        .store
        .run_waits(&lease, waiting, text, 0)
        .await
        .unwrap();
    [judged, waiting]
}

/// All tags of a page with the names of their attributes, in their order; and nothing may look like a tag
/// that is none.
fn skeleton(page: &str) -> Vec<String> {
    let tag = Regex::new(r#"<(!?/?[a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*>"#).unwrap();
    let attribute = Regex::new(r#"\s+([a-z-]+)(?:="[^"<>]*")?"#).unwrap();
    let mut tags = Vec::new();
    for found in tag.captures_iter(page) {
        let names = attribute.captures_iter(&found[2]).map(|name| name[1].to_owned());
        tags.push(
            std::iter::once(found[1].to_owned())
                .chain(names)
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    assert_eq!(page.matches('<').count(), tags.len(), "{page}");
    assert_eq!(page.matches('>').count(), tags.len(), "{page}");
    tags
}

/// CVE-2023-46650: Jenkins' GitHub plugin put a stored address on its pages as it was.
#[tokio::test]
async fn a_page_has_the_same_bones_whatever_texts_are_on_it() {
    let (house, harmless) = (House::open().await, House::open().await);
    for (number, text) in HOSTILE.into_iter().enumerate() {
        // Of as many words: a command shows each by itself.
        let tame: String = text
            .chars()
            .map(|char| if char == ' ' { ' ' } else { 'x' })
            .collect();
        let wanted = pages(&harmless, number, &tame).await;
        for (page, tame) in pages(&house, number, text).await.iter().zip(wanted) {
            assert!(!page.contains(['\0', '\u{1b}']), "{text:?}");
            assert_eq!(skeleton(page), skeleton(&tame), "{text:?}");
        }
    }
}

/// The pages on which a run's texts stand. What is not a page says that it is none.
async fn pages(house: &House, number: usize, text: &str) -> [String; 3] {
    let [judged, waiting] = runs_of(house, number, text).await;
    let mut pages = Vec::new();
    for path in [
        "/".to_owned(),
        format!("/runs/{judged}"),
        format!("/runs/{waiting}"),
    ] {
        let page = house.look(&path).await;
        assert!(page.status.is_success(), "{path}");
        assert!(page.header(CONTENT_TYPE).starts_with("text/html"), "{path}");
        pages.push(page.text().to_owned());
    }
    for (path, is) in [
        (format!("/runs/{judged}/log"), "text/plain; charset=utf-8"),
        (format!("/api/v1/runs/{judged}"), "application/json"),
        ("/api/v1/runs".to_owned(), "application/json"),
        ("/api/v1/deliveries".to_owned(), "application/json"),
    ] {
        let answer = house.look_as_operator(&path).await;
        assert_eq!(answer.header(CONTENT_TYPE), is, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    pages.try_into().unwrap()
}
