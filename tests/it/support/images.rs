//! Images that only tests need.

use hubcheck::demo::images::{Layer, LayerBuilder};

/// A layer with this host's busybox and links for the usual commands; `None` where there is none.
///
/// Unlike every other: the Engine shares the download of a layer between all pulls, so that one from a
/// registry that is gone by now would hold up the pull of another test.
pub(crate) fn busybox_layer() -> Option<Layer> {
    const COMMANDS: [&str; 20] = [
        "sh", "cat", "dd", "echo", "env", "false", "head", "id", "kill", "ls", "mkdir", "mount", "nc", "ps",
        "rm", "sleep", "touch", "true", "wget", "yes",
    ];
    let mut layer = LayerBuilder::default()
        .program("/bin/busybox")
        .ok()?
        .directory("/tmp")
        .file("/unique", 0o644, uuid::Uuid::now_v7().to_string());
    for command in COMMANDS {
        layer = layer.link(&format!("/bin/{command}"), "busybox");
    }
    Some(layer.build())
}
