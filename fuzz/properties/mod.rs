//! What must hold of every parser of foreign bytes, whatever the bytes.
//!
//! Written once: each fuzz target calls one of these with what the fuzzer makes up, and the test suite
//! calls them all with the corpora. A property that does not hold panics.
//!
//! An input of several parts has one on each line, and the last part is all that is left: a corpus can be
//! read and written with any editor.

mod claims;
mod config;
mod declaration;
mod door;
mod github;
mod hooks;
mod log;
mod names;
mod registry;
mod report;
mod results;
mod signature;

pub use door::close;

/// A property, by the name of its fuzz target and of its corpus.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: &[Property] = &[
    ("bundle", signature::nothing_altered_holds),
    ("claims", claims::a_commit_is_named_by_a_claim),
    ("compose", declaration::no_compose_file_reaches_for_the_host),
    ("structure", declaration::structure_files_are_judged_or_explained),
    ("config", config::what_is_taken_is_sound_and_no_secret_is_shown),
    ("declaration", declaration::no_file_loosens_what_the_operator_set),
    ("docker_config", registry::accounts_are_whole_and_never_shown),
    ("docker_hub", hooks::a_push_of_docker_hub_is_of_docker_hub),
    ("door", door::no_request_does_harm),
    ("github_answer", github::every_answer_is_sorted_and_shown_shortly),
    ("github_event", hooks::an_event_is_small_and_survives_the_store),
    ("hook_token", hooks::a_token_is_taken_in_one_spelling_alone),
    ("junit", results::a_report_is_bounded),
    ("manifest", registry::a_lead_is_one_that_runs_here),
    ("names", names::what_is_printed_is_read_as_the_same),
    ("plain_text", report::plain_text_is_plain),
    ("private_key", github::a_key_is_a_key_in_every_wrapping),
    ("provenance", claims::a_statement_names_no_more_than_it_says),
    ("report", report::a_report_fits_and_nothing_in_it_comes_alive),
    ("report_archive", results::an_archive_gives_what_was_asked_for),
    ("revision", claims::a_revision_is_read_as_it_is_written),
    ("signature", hooks::a_signature_is_that_of_its_body_alone),
    ("source_url", declaration::a_source_is_where_it_says),
    (
        "stored_signature",
        signature::what_lies_beside_an_image_is_bounded,
    ),
    ("step_log", log::a_log_is_bounded_and_the_same_in_any_pieces),
    ("suite_output", results::an_output_is_the_same_in_any_pieces),
    ("token_address", registry::tokens_are_asked_for_at_home),
    ("waits", github::waits_are_bounded_and_redirects_stay),
];

/// The property of this name.
pub fn hold(name: &str, input: &[u8]) {
    let (_, holds) = ALL
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a property has this name");
    holds(input);
}

/// The first line of `input`, without its end, and what follows.
fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

/// The same as text, whatever the bytes.
fn text_line(input: &[u8]) -> (String, &[u8]) {
    let (line, rest) = line(input);
    (text(line), rest)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails where a sentence for people is long, has several lines or could act on a terminal.
fn assert_sentence(text: &str, most: usize) {
    assert!(text.len() <= most, "{} bytes: {text:?}", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
