//! Images that print what is more than text to a terminal, a browser or GitHub.

use super::{Seen, judged, judged_without};
use crate::support::house::House;

/// Lets an image print `text`, and another one have it in the name of its program and in a label.
async fn said(text: &str) -> [Seen; 2] {
    let house = House::open().await;
    let script = format!("cat <<'THE_END'\n{text}\nTHE_END\nexit 1");
    let seen = [judged(&house, &script).await, judged_without(&house, text).await];
    assert!(
        seen[0].log.contains(text),
        "the log as text holds it as it was printed: {}",
        seen[0].log
    );
    house.close().await;
    seen
}

/// What a reader of the check sees as prose: the summary without its blocks and spans of code.
fn outside_code(markdown: &str) -> String {
    let mut prose = String::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|char| *char == '`').collect();
        match &fence {
            Some(open) => {
                if ticks.len() >= open.len() && line == ticks {
                    fence = None;
                }
            }
            None if ticks.len() >= 3 && !line[ticks.len()..].contains('`') => fence = Some(ticks),
            None => prose.extend([without_cells(&without_spans(line)).as_str(), "\n"]),
        }
    }
    assert_eq!(fence, None, "a block that is not closed: {markdown}");
    prose
}

/// `<code>` in cells of tables.
fn without_cells(line: &str) -> String {
    let mut parts = line.split("<code>");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |prose, part| {
        let (_, rest) = part.split_once("</code>").expect("a cell that is not closed");
        prose + rest
    })
}

fn without_spans(line: &str) -> String {
    let mut prose = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let ticks: String = rest[start..].chars().take_while(|char| *char == '`').collect();
        prose.push_str(&rest[..start]);
        let inside = &rest[start + ticks.len()..];
        let end = inside.find(&ticks).expect("a span that is not closed");
        rest = &inside[end + ticks.len()..];
    }
    prose + rest
}

#[tokio::test]
async fn terminal_escapes_and_overwritten_lines_reach_no_page_and_no_check() {
    let escapes = "\u{1b}]8;;https://evil.example/\u{7}click\u{1b}]8;;\u{7} \u{1b}]52;c;cm0gLXJmIC8=\u{7}\
                   \u{1b}[31mred\u{1b}[0m \u{9b}32mc1 \u{1b}]0;title\u{7}\u{1b}[2J\nall failed\rall is well";
    for seen in said(escapes).await {
        let shown = format!(
            "{}{}{}{}",
            seen.title(),
            seen.shown.summary(),
            seen.shown.status.description.as_deref().unwrap_or_default(),
            seen.page
        );
        for control in ['\u{1b}', '\u{7}', '\r', '\u{9b}'] {
            assert!(!shown.contains(control), "{control:?} in {shown}");
        }
        for hidden in ["evil.example", "cm0gLXJmIC8=", "all failed"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        assert!(shown.contains("all is well"), "{shown}");
    }
}

#[tokio::test]
async fn html_stays_text() {
    let html =
        "</code></pre><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>";
    for seen in said(html).await {
        for alive in ["<script", "<img", "<a href=javascript", "</code></pre><"] {
            assert!(!seen.page.contains(alive), "{alive} in {}", seen.page);
            let prose = outside_code(seen.shown.summary());
            assert!(!prose.contains(alive), "{alive} in {prose}");
        }
        assert!(seen.page.contains("alert(1)"), "the text is shown: {}", seen.page);
    }
}

#[tokio::test]
async fn markdown_stays_text_and_forges_no_verdict() {
    let markdown = "```\n````\n~~~\n# Passed\n**Passed**: 40 passed in 2s\n\n\
                    ![x](https://tracker.example/p.png) [here](https://evil.example)\n\n\
                    | Image | forged |\n|---|---|\n✅ approved";
    for seen in said(markdown).await {
        let prose = outside_code(seen.shown.summary());
        for alive in [
            "![",
            "](http",
            "# Passed",
            "**Passed**",
            "| Image | forged |",
            "✅ approved",
        ] {
            assert!(!prose.contains(alive), "{alive} in {prose}");
        }
        assert_ne!(seen.shown.conclusion().0, "success");
        assert!(
            seen.shown.summary().starts_with("**Failed**")
                || seen.shown.summary().starts_with("**Action required**"),
            "{}",
            seen.shown.summary()
        );
    }
}

#[tokio::test]
async fn nobody_is_called_and_no_issue_is_closed() {
    for seen in said("cc @acme/team @octocat: Fixes #1, closes acme/app#2, GH-3").await {
        let prose = outside_code(seen.shown.summary());
        for alive in ["@acme", "@octocat", "Fixes #1", "app#2"] {
            assert!(!prose.contains(alive), "{alive} in {prose}");
        }
    }
}

#[tokio::test]
async fn nothing_turns_the_direction_of_writing_or_hides() {
    let turned = "\u{202e}dessap\u{202c} \u{2066}x\u{2069} in\u{200b}visible \u{feff}";
    for seen in said(turned).await {
        let shown = format!(
            "{}{}{}{}",
            seen.title(),
            seen.shown.summary(),
            seen.shown.status.description.as_deref().unwrap_or_default(),
            seen.page
        );
        for hidden in [
            '\u{202e}', '\u{202c}', '\u{2066}', '\u{2069}', '\u{200b}', '\u{feff}',
        ] {
            assert!(!shown.contains(hidden), "{hidden:?} in {shown}");
        }
        assert!(shown.contains("dessap") && shown.contains("invisible"), "{shown}");
    }
}
