use super::*;

/// What the pattern finds in the text; `None`: it does not compile.
fn finds(pattern: &str, text: &str) -> Option<bool> {
    compile(pattern).ok().map(|regex| regex.is_match(text))
}

/// A pattern, a text, and what Go says: found, not found, or no pattern at all.
const TABLE: &[(&str, &str, Option<bool>)] = &[
    // Braces that repeat nothing.
    (r#"{"status":"ok"}"#, r#"x {"status":"ok"}"#, Some(true)),
    ("a{,2}", "a{,2}", Some(true)),
    ("a{,2}", "aa", Some(false)),
    ("a{01}", "a{01}", Some(true)),
    ("^a{2}$", "aa", Some(true)),
    ("^a{2,}$", "aaaa", Some(true)),
    ("^a{1,2}$", "aaa", Some(false)),
    ("a{x}", "a{x}", Some(true)),
    ("a{", "a{", Some(true)),
    ("a{1000}", "a", Some(false)),
    ("a{1001}", "a", None),
    ("a{2,1}", "a", None),
    ("{2}", "a", None),
    // ASCII alone.
    (r"^\d$", "٣", Some(false)),
    (r"^\d+$", "17", Some(true)),
    (r"^\D$", "٣", Some(true)),
    (r"^\w$", "ä", Some(false)),
    (r"^\W$", "ä", Some(true)),
    (r"^\s$", "\u{a0}", Some(false)),
    (r"^\s$", "\u{b}", Some(false)),
    (r"^\S$", "\u{a0}", Some(true)),
    (r"\bx\b", "äxä", Some(true)),
    (r"x\B", "xy", Some(true)),
    (r"^[\d_]+$", "1_2", Some(true)),
    (r"^[^\w]$", "ä", Some(true)),
    (r"^[\W]$", "ä", Some(true)),
    // Quoting, codes.
    (r"\Qa.b(\E$", "a.b(", Some(true)),
    (r"\Qa.b", "a.b", Some(true)),
    (r"\Qab\E+$", "abbb", Some(true)),
    (r"\101", "A", Some(true)),
    (r"\0", "\0", Some(true)),
    (r"\1", "1", None),
    (r"(a)\1", "aa", None),
    (r"\8", "8", None),
    (r"\x41\x{42}", "AB", Some(true)),
    (r"\x4", "A", None),
    (r"\u0041", "A", None),
    (r"\_", "_", Some(true)),
    (r"\a\f\n\r\t\v", "\x07\x0c\n\r\t\x0b", Some(true)),
    // Sets are not calculated with.
    ("^[a&&b]+$", "a&b", Some(true)),
    ("^[a~~b]+$", "a~b", Some(true)),
    ("[a--b]", "a", None),
    ("^[[]$", "[", Some(true)),
    ("^[a[]+$", "[a", Some(true)),
    ("^[]a]+$", "]a", Some(true)),
    ("^[^]a]$", "]", Some(false)),
    ("^[a-]+$", "a-", Some(true)),
    ("^[-a]+$", "a-", Some(true)),
    (r"^[a\-z]+$", "a-z", Some(true)),
    ("[z-a]", "z", None),
    (r"[a-\d]", "a", None),
    (r"[\b]", "\x08", None),
    ("[a", "a", None),
    ("[[:alpha:]]", "x", Some(true)),
    ("[[:^alpha:]]", "x", Some(false)),
    ("[[:nothing:]]", "x", None),
    (r"^[\101]$", "A", Some(true)),
    // Marks of words are characters.
    (r"\<x\>", "<x>", Some(true)),
    // Repetitions of repetitions.
    ("x**", "x", None),
    ("x*+", "x", None),
    ("x*?", "x", Some(true)),
    ("x*??", "x", None),
    ("x{2}{3}", "x", None),
    ("(x*)*", "x", Some(true)),
    ("*", "x", None),
    // Known to neither.
    ("(?=x)", "x", None),
    ("(?!x)", "x", None),
    ("(?<=x)", "x", None),
    ("(?<!x)", "x", None),
    (r"\C", "x", None),
    (r"\Z", "x", None),
    (r"\E", "x", None),
    ("(?x) x", "x", None),
    ("(?u)x", "x", None),
    ("(?R)x", "x", None),
    ("(x", "x", None),
    ("x)", "x", None),
    ("x\\", "x", None),
    // The same for both.
    (r"x\z", "x\n", Some(false)),
    (r"\pL\p{Greek}\PN", "aβx", Some(true)),
    (r"^\p{^L}$", "a", Some(false)),
    (r"\p{greek}", "β", None),
    ("(?U)x+", "xx", Some(true)),
    ("(?P<n>x)(?<m>y)", "xy", Some(true)),
    ("(?P<1>x)", "x", Some(true)),
    ("(?P<n>x)(?P<n>y)", "xy", None),
    ("(?P<>x)", "x", None),
    ("(?i)STRASSE", "straſſe", Some(true)),
    ("(?i:A)b", "ab", Some(true)),
    ("(?s).", "\n", Some(true)),
    (".", "\n", Some(false)),
    ("^hello$", "hello\n", Some(false)),
    ("(?m)^hello$", "say\nhello\n", Some(true)),
    ("", "anything", Some(true)),
    ("a||b", "", Some(true)),
    ("ä+", "ää", Some(true)),
];

#[test]
fn a_pattern_means_what_it_means_to_go() {
    for &(pattern, text, expected) in TABLE {
        assert_eq!(finds(pattern, text), expected, "{pattern} in {text:?}");
    }
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    assert_eq!(compile("(x").unwrap_err(), "unclosed group");
    assert_eq!(
        compile("x**").unwrap_err(),
        "one repetition directly follows another"
    );
    assert!(compile(&"x".repeat(9000)).is_err());
    assert_eq!(
        compile(r"(\pL{1000}){900}").unwrap_err(),
        "it is too large when compiled"
    );
}
