//! What goes wrong around the bot, and what the whole bot makes of it: a story for each fault.

mod github;
mod registry;
mod run;
mod store;
