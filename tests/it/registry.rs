//! The reader of registries, against a real one.

use hubcheck::demo::images::{ImageBuilder, IndexBuilder, shell_layer};

use crate::support::images::busybox_layer;
use crate::support::registry::Registry;

#[tokio::test]
async fn a_real_registry_takes_the_images_that_we_build() {
    let registry = Registry::start();
    let _name = registry.image("acme/app");

    let first = ImageBuilder::for_this_host()
        .layer(shell_layer().unwrap())
        .script("/entrypoint.sh", "#!/bin/sh\necho \"tests $1\"\n")
        .entrypoint(&["/entrypoint.sh"])
        .build();
    let second = ImageBuilder::new("linux/arm64/v8".parse().unwrap())
        .label("a", "b")
        .build();
    let index = IndexBuilder::default()
        .image(&first)
        .image(&second)
        .annotation("c", "d")
        .build();
    registry.push("acme/app", "v1", &first).await;
    registry.push("acme/app", "v1", &index).await;
    registry.move_tag("acme/app", "latest", &first).await;
    if let Some(layer) = busybox_layer() {
        let image = ImageBuilder::for_this_host().layer(layer).build();
        registry.push("acme/busybox", "v1", &image).await;
    }
}
