//! Images that only tests need.

use hubcheck::demo::images::{Layer, LayerBuilder};

/// A layer with this host's busybox and links for the usual commands; `None` where there is none.
pub(crate) fn busybox_layer() -> Option<Layer> {
    const COMMANDS: [&str; 20] = [
        "sh", "cat", "dd", "echo", "env", "false", "head", "id", "kill", "ls", "mkdir", "mount", "nc", "ps",
        "rm", "sleep", "touch", "true", "wget", "yes",
    ];
    let mut layer = LayerBuilder::default()
        .program("/bin/busybox")
        .ok()?
        .directory("/tmp");
    for command in COMMANDS {
        layer = layer.link(&format!("/bin/{command}"), "busybox");
    }
    Some(layer.build())
}
