//! Bodies as Docker Hub sends and has sent them, and as nobody should.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

/// What each file in `fixtures/dockerhub` is read as.
const READ_AS: [(&str, &str); 27] = [
    ("today.json", "push docker.io/acme/app:v1.4.0"),
    ("numbers_as_floats.json", "push docker.io/acme/app:v1.4.0"),
    ("numbers_as_strings.json", "push docker.io/acme/app:v1.4.0"),
    ("nulls.json", "push docker.io/acme/app:v1.4.0"),
    ("huge_description.json", "push docker.io/acme/app:v1.4.0"),
    ("unicode.json", "push docker.io/acme/app:v1.4.0"),
    ("image_config_type.json", "push docker.io/acme/app:v1.4.0"),
    ("payload_prefix.form", "push docker.io/acme/app:v1.4.0"),
    ("no_repo_name.json", "push docker.io/acme/app:v1.4.0"),
    ("official_bare_name.json", "push docker.io/library/busybox:v1.4.0"),
    (
        "of_2014.json",
        "push docker.io/acme/app:latest (the payload names no tag (2014 form): testing `latest`)",
    ),
    (
        "form_body.form",
        "push docker.io/acme/app:latest (the payload names no tag (2014 form): testing `latest`)",
    ),
    (
        "tag_null.json",
        "push docker.io/acme/app:latest (the payload names no tag (2014 form): testing `latest`)",
    ),
    (
        "signature_tag.json",
        "ignored: `sha256-abababababababababababababababababababababababababababababababab.sig` \
         is a tag of signatures, not of an image",
    ),
    (
        "cache_tag.json",
        "ignored: `buildcache-main` looks like a build cache, not like an image",
    ),
    (
        "helm_chart.json",
        "ignored: `0.4.0` is a Helm chart, not an image",
    ),
    ("bad_tag.json", "`push_data.tag`: `v1 --privileged` is no tag"),
    ("bad_tag_empty.json", "`push_data.tag`: `` is no tag"),
    (
        "bad_tag_type.json",
        "`push_data.tag`: invalid type: sequence, expected a string",
    ),
    (
        "bad_name_of_another_registry.json",
        "`repository.repo_name`: not a name of Docker Hub like `namespace/name`",
    ),
    (
        "bad_name_option.json",
        "`repository.repo_name`: `docker.io/--help` is no image name",
    ),
    (
        "bad_no_name.json",
        "`repository.repo_name`: missing, and so is `namespace` or `name`",
    ),
    ("bad_no_push_data.json", "missing field `push_data`"),
    (
        "bad_repository_type.json",
        "`repository`: invalid type: string \"acme/app\", expected struct Repository",
    ),
    ("bad_tag_twice.json", "`push_data`: duplicate field `tag`"),
    (
        "bad_cut_off.json",
        "the body is not JSON: EOF while parsing a string",
    ),
    ("bad_form.form", "the body is not JSON: it is not an object"),
];

fn said(body: &[u8]) -> String {
    match parse(body) {
        Ok(Parsed::Push { push, notes }) => {
            assert_eq!(push.digest, None);
            match notes.as_slice() {
                [] => format!("push {}:{}", push.image, push.tag),
                notes => format!("push {}:{} ({})", push.image, push.tag, notes.join("; ")),
            }
        }
        Ok(Parsed::Ignored(ignored)) => {
            assert!(ignored.push.is_some());
            format!("ignored: {}", ignored.reason)
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_fixture_is_read_as_the_table_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/dockerhub");
    let read_as = BTreeMap::from(READ_AS);
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let wanted = read_as
            .get(name.as_str())
            .unwrap_or_else(|| panic!("the table lacks {name}"));
        let said = said(&std::fs::read(file.path()).unwrap());
        assert!(
            if name.starts_with("bad_") {
                said.contains(wanted)
            } else {
                said == *wanted
            },
            "{name}: {said}"
        );
        files += 1;
    }
    assert_eq!(files, READ_AS.len());
}

#[test]
fn what_is_no_body_at_all_is_refused() {
    for (body, wanted) in [
        (b"".as_slice(), "the body is not JSON: it is empty"),
        (b"  \n", "the body is not JSON: it is empty"),
        (b"null", "the body is not JSON: it is not an object"),
        (
            b"[{\"tag\":\"x\"},{}]",
            "the body is not JSON: it is not an object",
        ),
        (b"{\"push_data\": \"\xff\"}", "the body is not UTF-8 text"),
        (b"payload=%7B%7D&more=\0", "the body is not UTF-8 text"),
        (
            b"payload=%7B%7D&payload=%7B%7D",
            "the form has `payload` more than once",
        ),
        (b"payload=nonsense", "the body is not JSON: it is not an object"),
    ] {
        assert!(said(body).contains(wanted), "{}", said(body));
    }
    let trailing = [
        include_bytes!("../../../fixtures/dockerhub/today.json"),
        b"{}".as_slice(),
    ]
    .concat();
    assert!(said(&trailing).contains("not JSON: trailing characters"));
}

#[test]
fn deep_nesting_neither_kills_nor_is_kept() {
    let deep = "[".repeat(500_000);
    assert!(said(format!("{{\"push_data\":{deep}").as_bytes()).contains("the body is not"));
    assert!(said(format!("{{\"extra\":{deep}").as_bytes()).contains("not JSON"));
}

#[test]
fn a_refusal_repeats_little_of_a_strangers_text() {
    let body = format!(
        "{{\"push_data\":\"{}\",\"repository\":{{}}}}",
        "\\u001b[31mx".repeat(10_000)
    );
    let said = said(body.as_bytes());
    assert!(said.len() < 400 && !said.contains('\u{1b}'), "{said}");
}
