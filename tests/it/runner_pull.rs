//! Pulling by digest from a real registry.

use std::sync::Mutex;

use hubcheck::demo::images::{ImageBuilder, LayerBuilder};
use hubcheck::model::CachedImage;
use hubcheck::runner::{Origin, PullError, PullProgress, PullSource, RegistryCredentials};

use crate::support::engine::{busybox, on_engine};
use crate::support::registry::{PASSWORD, Registry, USERNAME};

#[tokio::test]
async fn an_image_is_pulled_once_and_reports_its_progress() {
    on_engine(async |bench| {
        let source = bench.source(&busybox().build()).await;
        let seen = Mutex::new(Vec::<PullProgress>::new());
        let image = bench
            .runner
            .pull(&source, |progress| seen.lock().unwrap().push(progress))
            .await
            .unwrap();
        assert_eq!(image.origin, Origin::Pulled);
        let last = *seen.lock().unwrap().last().unwrap();
        assert!(last.layers == 1 && last.layers_done <= 1, "{last:?}");

        let again = bench
            .runner
            .pull(&source, |_| panic!("it is there"))
            .await
            .unwrap();
        assert_eq!((again.id, again.origin), (image.id.clone(), Origin::Present));
        let by_id = bench.runner.local_image(&image.id).await.unwrap();
        assert_eq!(by_id.map(|found| found.id), Some(image.id));
        assert_eq!(bench.runner.local_image("no-such-image:latest").await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn those_who_want_the_same_image_share_one_pull() {
    on_engine(async |bench| {
        let source = bench.source(&busybox().build()).await;
        let given_up = bench.runner.clone();
        let abandoned = source.clone();
        // The one who began it goes away: the others must not notice.
        let first = tokio::spawn(async move { given_up.pull(&abandoned, |_| {}).await });
        tokio::task::yield_now().await;
        let pull = || bench.runner.pull(&source, |_| {});
        let (one, two, ()) = tokio::join!(pull(), pull(), async { first.abort() });
        let (one, two) = (one.unwrap(), two.unwrap());
        // Both say that it was pulled now, and of two pulls in a row the second would not.
        assert_eq!((one.origin, two.origin), (Origin::Pulled, Origin::Pulled));
        assert_eq!(one.id, two.id);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_and_what_is_for_others_is_told_apart() {
    on_engine(async |bench| {
        let absent = PullSource {
            reference: bench.registry.image("acme/app").to_string(),
            digest: hubcheck::model::Digest::of(b"nothing"),
            credentials: None,
        };
        let error = bench.runner.pull(&absent, |_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::NotFound { .. }), "{error:?}");

        let foreign = ImageBuilder::new("linux/s390x".parse().unwrap())
            .file("/app", 0o755, "x")
            .build();
        let error = bench
            .runner
            .pull(&bench.source(&foreign).await, |_| {})
            .await
            .unwrap_err();
        assert!(matches!(error, PullError::WrongPlatform { .. }), "{error:?}");

        let nobody = PullSource {
            reference: "127.0.0.1:1/acme/app".to_owned(),
            ..absent
        };
        let error = bench.runner.pull(&nobody, |_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::Registry { .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn credentials_open_a_guarded_registry() {
    on_engine(async |bench| {
        let registry = Registry::start_guarded();
        let image = busybox().build();
        let digest = registry.push("acme/private", "latest", &image).await;
        let reference = registry.image("acme/private").to_string();
        let mut source = PullSource {
            reference,
            digest,
            credentials: None,
        };
        let error = bench.runner.pull(&source, |_| {}).await.unwrap_err();
        assert!(matches!(error, PullError::Unauthorized { .. }), "{error:?}");

        source.credentials = Some(RegistryCredentials {
            username: USERNAME.to_owned(),
            password: PASSWORD.into(),
            server: registry.host().to_owned(),
        });
        bench.runner.pull(&source, |_| {}).await.unwrap();
        let cached = CachedImage {
            reference: source.reference,
            digest: source.digest,
            last_used: 0,
        };
        assert_eq!(
            bench.runner.keep_images_within(&[cached], 0).await.unwrap().len(),
            1
        );
    })
    .await;
}

#[tokio::test]
async fn the_longest_unused_images_go_first_and_nobody_elses_do() {
    on_engine(async |bench| {
        let sized = |number: u8| {
            let layer = LayerBuilder::default()
                .file("/data", 0o644, vec![number; 1 << 20])
                .build();
            ImageBuilder::for_this_host()
                .layer(layer)
                .label("made-for", &uuid::Uuid::new_v4().to_string())
        };
        let mut pulled = Vec::new();
        for number in 1..=4 {
            let source = bench.source(&sized(number).build()).await;
            bench.runner.pull(&source, |_| {}).await.unwrap();
            let (reference, digest) = (source.reference, source.digest);
            pulled.push(CachedImage {
                reference,
                digest,
                last_used: number.into(),
            });
        }
        let name = |image: &CachedImage| format!("{}@{}", image.reference, image.digest);
        // The oldest is in use, the second oldest has somebody's tag.
        let used = bench
            .runner
            .local_image(&name(&pulled[0]))
            .await
            .unwrap()
            .unwrap();
        let container = bench.create(&used, [].into()).await;
        let tag = format!("{}:mine", pulled[1].reference);
        let options = bollard::query_parameters::TagImageOptionsBuilder::new()
            .repo(&pulled[1].reference)
            .tag("mine");
        bench
            .docker
            .tag_image(&name(&pulled[1]), Some(options.build()))
            .await
            .unwrap();

        let gone = bench.runner.keep_images_within(&pulled, 3 << 19).await.unwrap();
        assert_eq!(gone, [pulled[2].digest.clone()]);
        assert!(
            bench
                .runner
                .local_image(&name(&pulled[3]))
                .await
                .unwrap()
                .is_some()
        );

        bench.remove(&container).await;
        let none = None::<bollard::query_parameters::RemoveImageOptions>;
        bench.docker.remove_image(&tag, none, None).await.unwrap();
    })
    .await;
}
