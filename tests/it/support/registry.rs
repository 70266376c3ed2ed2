//! A real registry: Debian's `docker-registry` (CNCF distribution) on a free loopback port, with its
//! storage in a directory that goes away with it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hubcheck::demo::images::{Content, Image};
use hubcheck::model::{Digest, ImageName};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use tempfile::TempDir;
use url::Url;

/// The account of a registry that asks for one.
pub(crate) const USERNAME: &str = "tester";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";
/// The account as `htpasswd -B` writes it, with the cheapest cost that bcrypt has.
const HTPASSWD: &str = "tester:$2b$04$cB0OJAbVq1oDIUa/sQxqhOVlTqDbV/wSphIkE3etKdS.GhINdYQxq\n";

/// A running registry; dropping it ends the process and removes what it stored.
pub(crate) struct Registry {
    process: Child,
    address: String,
    client: reqwest::Client,
    guarded: bool,
    _directory: TempDir,
}

impl Registry {
    /// A registry that is open to everybody.
    pub(crate) fn start() -> Self {
        Self::spawn(false)
    }

    /// A registry that asks for [`USERNAME`] and [`PASSWORD`] with Basic authentication.
    pub(crate) fn start_guarded() -> Self {
        Self::spawn(true)
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    /// Does it ask for an account?
    pub(crate) fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// The image of this name in this registry.
    pub(crate) fn image(&self, path: &str) -> ImageName {
        format!("{}/{path}", self.address).parse().unwrap()
    }

    /// Pushes an image with all that hangs from it, and moves `tag` to it.
    pub(crate) async fn push(&self, path: &str, tag: &str, image: &Image) -> Digest {
        for blob in &image.blobs {
            self.push_blob(path, blob).await;
        }
        for child in &image.children {
            self.push_manifest(path, child.digest.as_str(), child).await;
        }
        self.move_tag(path, tag, image).await;
        image.digest().clone()
    }

    /// Moves `tag` to an image that was pushed before.
    pub(crate) async fn move_tag(&self, path: &str, tag: &str, image: &Image) {
        self.push_manifest(path, tag, &image.top).await;
    }

    /// Forgets an image's layers, so that it can be read and not be pulled.
    pub(crate) async fn forget_layers(&self, path: &str, image: &Image) {
        for blob in &image.blobs {
            if blob.media_type.contains("layer") {
                let url = format!("http://{}/v2/{path}/blobs/{}", self.address, blob.digest);
                let answer = self.request(Method::DELETE, &url).send().await.unwrap();
                assert_eq!(answer.status(), 202);
            }
        }
    }

    async fn push_manifest(&self, path: &str, reference: &str, manifest: &Content) {
        let url = format!("http://{}/v2/{path}/manifests/{reference}", self.address);
        let request = self
            .request(Method::PUT, &url)
            .header(header::CONTENT_TYPE, &manifest.media_type)
            .body(manifest.bytes.clone());
        created(request, &url).await;
    }

    async fn push_blob(&self, path: &str, blob: &Content) {
        let start = format!("http://{}/v2/{path}/blobs/uploads/", self.address);
        let answer = self.request(Method::POST, &start).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "POST {start}");
        let location = answer.headers()[header::LOCATION].to_str().unwrap().to_owned();
        let mut finish: Url = location.parse().unwrap();
        finish
            .query_pairs_mut()
            .append_pair("digest", blob.digest.as_str());
        let request = self
            .request(Method::PUT, finish.as_str())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(blob.bytes.clone());
        created(request, &location).await;
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.client.request(method, url).timeout(Duration::from_mins(2));
        if self.guarded {
            request.basic_auth(USERNAME, Some(PASSWORD))
        } else {
            request
        }
    }

    fn spawn(guarded: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.yml");
        std::fs::write(&config, configuration(&directory, guarded)).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`docker-registry` cannot be started: run `./test`, which installs what the tests need");
        let address = listening_address(process.stderr.take().unwrap());
        Self {
            process,
            address,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            guarded,
            _directory: directory,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(directory: &TempDir, guarded: bool) -> String {
    let root = directory.path().display();
    let auth = if guarded {
        std::fs::write(directory.path().join("htpasswd"), HTPASSWD).unwrap();
        format!("auth: {{htpasswd: {{realm: tests, path: {root}/htpasswd}}}}\n")
    } else {
        String::new()
    };
    format!(
        "version: 0.1\n\
         log: {{level: info, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}\n\
         http: {{addr: '127.0.0.1:0', secret: tests}}\n\
         {auth}"
    )
}

/// The registry was told to take any free port, and logs which one it took.
fn listening_address(log: ChildStderr) -> String {
    let (sender, receiver) = mpsc::channel();
    // The log is read to its end, or the registry would stop at a full pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                let address: String = rest.chars().take_while(|char| *char != '"').collect();
                // The receiver is gone only where the test has given up.
                let _ = sender.send(address);
            }
        }
    });
    receiver
        .recv_timeout(Duration::from_mins(2))
        .expect("`docker-registry` did not say within two minutes that it listens")
}

async fn created(request: RequestBuilder, url: &str) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.text().await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "PUT {url}: {body}");
}
