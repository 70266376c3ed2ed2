//! The real Docker Engine, with a runner of its own for each test and nothing left behind after it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerConfig, ContainerCreateBody, ContainerSummary};
use bollard::query_parameters as query;
use hubcheck::clock::{Clock, millis};
use hubcheck::config;
use hubcheck::demo::images::{Image, ImageBuilder};
use hubcheck::model::{Cause, Limits, Network, Plan, Profile, RunId, Step, StepKind};
use hubcheck::runner::{LocalImage, LogSink, Owner, PullSource, Runner, StepEnd, StepTask};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::images::busybox_layer;
use super::registry::Registry;

/// What a test has to itself: a runner, a registry, and a look behind the scenes.
pub(crate) struct Bench {
    pub(crate) runner: Runner,
    pub(crate) registry: Registry,
    pub(crate) docker: Docker,
    pub(crate) clock: Clock,
    pub(crate) instance: Uuid,
    pub(crate) owner: Owner,
    /// Names of images to be removed in the end.
    pulled: Mutex<Vec<String>>,
}

/// Tells a story on the Engine, and cleans up after it however it ends.
pub(crate) async fn on_engine<F>(story: impl FnOnce(Arc<Bench>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let bench = Arc::new(Bench::new());
    let told = tokio::spawn(story(Arc::clone(&bench))).await;
    let left = bench.clean_up().await;
    if let Err(error) = told {
        std::panic::resume_unwind(error.into_panic());
    }
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The `[docker]` section of these tests.
pub(crate) fn settings(host: Option<&str>) -> config::Docker {
    config::Docker {
        host: host.map(str::to_owned),
        concurrency: 4,
        runtime: "runc".to_owned(),
        profile: Profile::Compatible,
        network: true,
        pull_timeout: Duration::from_mins(10),
        give_up: Duration::from_hours(1),
        image_cache: 1 << 30,
        limits: config::StepLimits {
            timeout: Duration::from_mins(10),
            idle_timeout: Duration::from_mins(10),
            memory: 256 << 20,
            cpus: 1.0,
            pids: 64,
            disk: 1 << 30,
        },
    }
}

/// A plan of one step that leaves room for a busy machine.
pub(crate) fn plan(args: &[&str]) -> Plan {
    let args = args.iter().map(|&word| word.to_owned()).collect();
    Plan {
        steps: vec![Step {
            name: "test".to_owned(),
            kind: StepKind::Run {
                args,
                entrypoint: None,
                env: BTreeMap::new(),
            },
            timeout: None,
            reports: Vec::new(),
        }],
        profile: Profile::Compatible,
        network: Network::None,
        limits: Limits {
            timeout: Duration::from_mins(10),
            idle_timeout: Duration::from_mins(10),
            memory_bytes: 256 << 20,
            nano_cpus: 1_000_000_000,
            pids: 64,
            disk_bytes: 1 << 30,
        },
    }
}

/// A plan of one step that runs `script` in the image's shell.
pub(crate) fn shell(script: &str) -> Plan {
    let mut plan = plan(&[script]);
    let StepKind::Run { entrypoint, .. } = &mut plan.steps[0].kind else {
        panic!("another step");
    };
    *entrypoint = Some(vec!["sh".to_owned(), "-c".to_owned()]);
    plan
}

/// An image with busybox, of this test alone.
pub(crate) fn busybox() -> ImageBuilder {
    let layer = busybox_layer().expect("busybox is missing: `apt-get install busybox-static`");
    ImageBuilder::for_this_host()
        .layer(layer)
        .label("made-for", &Uuid::new_v4().to_string())
}

impl Bench {
    fn new() -> Self {
        let (clock, instance) = (Clock::default(), Uuid::new_v4());
        Self {
            runner: Runner::connect(&settings(None), instance, clock.clone()).unwrap(),
            registry: Registry::start(),
            docker: Docker::connect_with_defaults().unwrap(),
            owner: owner(&clock, 1),
            clock,
            instance,
            pulled: Mutex::default(),
        }
    }

    /// Where `image` can be pulled from: it is pushed for that.
    pub(crate) async fn source(&self, image: &Image) -> PullSource {
        let digest = self.registry.push("acme/app", "latest", image).await;
        let reference = self.registry.image("acme/app").to_string();
        self.pulled.lock().unwrap().push(format!("{reference}@{digest}"));
        PullSource {
            reference,
            digest,
            credentials: None,
        }
    }

    /// Brings an image to the Engine.
    pub(crate) async fn pull(&self, image: ImageBuilder) -> LocalImage {
        let source = self.source(&image.build()).await;
        self.runner.pull(&source, |_| {}).await.unwrap()
    }

    /// Runs the plan's step in `image`: why it ended, and what it printed.
    pub(crate) async fn run(&self, image: &LocalImage, plan: &Plan) -> (Cause, String) {
        let end = self.end(image, plan, &CancellationToken::new()).await;
        let StepEnd::Done(done) = end else {
            panic!("cancelled: {end:?}")
        };
        (
            done.result.cause,
            String::from_utf8_lossy(&done.log.to_bytes()).into_owned(),
        )
    }

    /// Why the plan's step ended that `runner` ran in `image`.
    pub(crate) async fn end_on(&self, runner: &Runner, image: &LocalImage, plan: &Plan) -> Cause {
        let task = StepTask {
            owner: &self.owner,
            image,
            plan,
            step: &plan.steps[0],
            beside: Default::default(),
        };
        let never = CancellationToken::new();
        match runner.run_step(&task, &LogSink::none(), &never).await.unwrap() {
            StepEnd::Done(done) => done.result.cause,
            StepEnd::Cancelled => panic!("nobody cancelled it"),
        }
    }

    /// Runs the plan's step in an image with busybox.
    pub(crate) async fn run_in_busybox(&self, plan: &Plan) -> (Cause, String) {
        let image = self.pull(busybox()).await;
        self.run(&image, plan).await
    }

    /// Runs the plan's step in `image` unless it is cancelled.
    pub(crate) async fn end(&self, image: &LocalImage, plan: &Plan, cancel: &CancellationToken) -> StepEnd {
        let task = StepTask {
            owner: &self.owner,
            image,
            plan,
            step: &plan.steps[0],
            beside: Default::default(),
        };
        self.runner
            .run_step(&task, &LogSink::none(), cancel)
            .await
            .unwrap()
    }

    /// A container, not started, with labels as hubcheck might have left it.
    pub(crate) async fn leave_container(&self, image: &LocalImage, instance: Uuid, owner: &Owner) -> String {
        let deadline_s = owner.deadline / 1000;
        let labels = [
            ("managed", "true".to_owned()),
            ("instance", instance.to_string()),
            ("run", owner.run.to_string()),
            ("attempt", owner.attempt.to_string()),
            ("deadline", deadline_s.to_string()),
        ];
        let labels = labels
            .map(|(name, value)| (format!("hubcheck.{name}"), value))
            .into();
        self.create(image, labels).await
    }

    /// A container, not started.
    pub(crate) async fn create(&self, image: &LocalImage, labels: HashMap<String, String>) -> String {
        let body = ContainerCreateBody {
            image: Some(image.id.clone()),
            cmd: Some(vec!["true".to_owned()]),
            labels: Some(labels),
            ..ContainerCreateBody::default()
        };
        self.docker.create_container(None, body).await.unwrap().id
    }

    /// Is there such a container?
    pub(crate) async fn exists(&self, container: &str) -> bool {
        self.docker.inspect_container(container, None).await.is_ok()
    }

    /// Removes a container that is not the runner's to remove.
    pub(crate) async fn remove(&self, container: &str) {
        let options = query::RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        self.docker
            .remove_container(container, Some(options))
            .await
            .unwrap();
    }

    /// The containers of this test's runner.
    pub(crate) async fn containers(&self) -> Vec<ContainerSummary> {
        let label = format!("hubcheck.instance={}", self.instance);
        let filters = HashMap::from([("label", vec![label])]);
        let options = query::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        self.docker.list_containers(Some(options)).await.unwrap()
    }

    /// How many containers, networks and volumes of this test's runner there are.
    pub(crate) async fn left(&self) -> [usize; 3] {
        let label = format!("hubcheck.instance={}", self.instance);
        let filters = HashMap::from([("label", vec![label])]);
        let networks = query::ListNetworksOptionsBuilder::new().filters(&filters).build();
        let volumes = query::ListVolumesOptionsBuilder::new().filters(&filters).build();
        let volumes = self.docker.list_volumes(Some(volumes)).await.unwrap();
        [
            self.containers().await.len(),
            self.docker.list_networks(Some(networks)).await.unwrap().len(),
            volumes.volumes.unwrap_or_default().len(),
        ]
    }

    /// How many images without a name carry the label of this test's runner.
    pub(crate) async fn made_images(&self) -> usize {
        let label = format!("hubcheck.instance={}", self.instance);
        let filters = HashMap::from([("label", vec![label])]);
        let options = query::ListImagesOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        self.docker.list_images(Some(options)).await.unwrap().len()
    }

    /// Makes an image of a container.
    pub(crate) async fn commit(&self, container: &str) {
        let options = query::CommitContainerOptionsBuilder::new()
            .container(container)
            .build();
        self.docker
            .commit_container(options, ContainerConfig::default())
            .await
            .unwrap();
    }

    /// Waits until a container of this test's runner is running, and names it.
    pub(crate) async fn running(&self) -> String {
        let poll = async {
            loop {
                let running = self.containers().await.into_iter().find(|found| {
                    found
                        .status
                        .as_deref()
                        .is_some_and(|status| status.starts_with("Up"))
                });
                if let Some(id) = running.and_then(|found| found.id) {
                    return id;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), poll)
            .await
            .expect("no container came up within five minutes")
    }

    /// What is still there although it should not be.
    async fn clean_up(&self) -> Vec<ContainerSummary> {
        self.runner.shutdown().await.unwrap();
        let left = self.containers().await;
        for id in left.iter().filter_map(|container| container.id.as_deref()) {
            self.remove(id).await;
        }
        let pulled = std::mem::take(&mut *self.pulled.lock().unwrap());
        for name in pulled {
            // Not every story pulls what it names.
            let _ = self
                .docker
                .remove_image(&name, None::<query::RemoveImageOptions>, None)
                .await;
        }
        left
    }
}

/// The owner of a run that has an hour left.
pub(crate) fn owner(clock: &Clock, attempt: i64) -> Owner {
    Owner {
        run: RunId::new(),
        attempt,
        deadline: clock.now() + millis(Duration::from_hours(1)),
    }
}
