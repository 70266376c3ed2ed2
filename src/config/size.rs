//! Sizes as people write them: `512MiB`, `20GiB`.
use serde::{Deserialize, Deserializer, de::Error};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A number of bytes, or what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("`{other}` is no unit of size: use B, KiB, MiB or GiB")),
    };
    let number: u64 = number.trim().parse().map_err(|_| {
        format!(
            "`{}` is no size: write it like 512KiB, 2MiB or 20GiB",
            text.escape_debug()
        )
    })?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "the size is too large".to_owned())
}
