//! Typed values of columns.

use serde::de::DeserializeOwned;

/// The id after all others: where "from the newest on" begins. Ids sort by time, in every collation.
pub(super) const LAST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// A column of JSON text.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> TryFrom<String> for Json<T> {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

/// A column that may hold a value of its own text form.
#[derive(Debug)]
pub(super) struct Maybe<T>(pub(super) Option<T>);

impl<T: TryFrom<String>> TryFrom<Option<String>> for Maybe<T> {
    type Error = T::Error;

    fn try_from(text: Option<String>) -> Result<Self, Self::Error> {
        text.map(T::try_from).transpose().map(Self)
    }
}

/// The JSON text of plain data.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data serialises")
}
