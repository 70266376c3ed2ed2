//! What goes wrong around the bot, and that it does the right thing: one story for each row of the table in
//! `ARCHITECTURE.md`.

mod store;
