//! What goes wrong, and what the whole bot makes of it: a story for each fault.

mod github;
