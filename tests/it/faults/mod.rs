//! What goes wrong around the bot, row by row, and what people see of it.

mod registry;
mod run;
