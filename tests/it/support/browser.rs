//! A real browser without a screen: Chromium, led by its driver. The driver's protocol is spoken here, as the libraries
//! for it change the features that the program itself is built with. <https://www.w3.org/TR/webdriver2/>

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// How long any step may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// How soon a page is looked at again that is not there yet.
const LOOK: Duration = Duration::from_millis(100);

/// The name under which an element's id comes.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser, and the driver that leads it. Both end with it.
pub(crate) struct Browser {
    session: String,
    client: reqwest::Client,
    _driver: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium-driver is not installed: run `./test`, which installs it");
        let port = said(driver.stdout.take().unwrap(), |line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        })
        .await;
        let profile = tempfile::tempdir().unwrap();
        let options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
            "--window-size=1100,1400", format!("--user-data-dir={}", profile.path().display()),
        ] });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
        } } });
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/session");
        let answer = client.post(&url).json(&wanted).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("the browser does not start: {answer}"));
        Self {
            session: format!("{url}/{id}"),
            client,
            _driver: driver,
            _profile: profile,
        }
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await.unwrap();
    }

    /// The address of the page.
    pub(crate) async fn address(&self) -> String {
        self.get("/url").await.unwrap()
    }

    /// Presses what this names, once it is there.
    pub(crate) async fn press(&self, css: &str) {
        self.once(css, async |element| {
            self.post(&format!("{element}/click"), json!({})).await.map(drop)
        })
        .await;
    }

    /// Writes into what this names, once it is there.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.once(css, async |element| {
            self.post(&format!("{element}/value"), json!({ "text": text }))
                .await
                .map(drop)
        })
        .await;
    }

    /// The text of what this names, once it is there.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.once(css, async |element| self.get(&format!("{element}/text")).await)
            .await
    }

    /// An attribute of what this names, once it is there.
    pub(crate) async fn attribute(&self, css: &str, name: &str) -> String {
        self.once(css, async |element| {
            self.get(&format!("{element}/attribute/{name}")).await
        })
        .await
    }

    /// Waits until the page says `words`.
    pub(crate) async fn reads(&self, words: &str) {
        self.once("body", async |element| {
            let text = self.get(&format!("{element}/text")).await?;
            if text.contains(words) {
                Ok(())
            } else {
                Err(format!("no `{words}` in: {text}"))
            }
        })
        .await;
    }

    /// Pages come when they come: tries until it works.
    async fn once<T>(&self, css: &str, action: impl AsyncFn(&str) -> Result<T, String>) -> T {
        let begun = Instant::now();
        loop {
            let done = match self.find(css).await {
                Ok(element) => action(&element).await,
                Err(why) => Err(why),
            };
            match done {
                Ok(done) => return done,
                Err(why) if begun.elapsed() > PATIENCE => panic!("`{css}` does not come: {why}"),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn find(&self, css: &str) -> Result<String, String> {
        let wanted = json!({ "using": "css selector", "value": css });
        let found = self.post("/element", wanted).await?;
        let id = found[ELEMENT].as_str().ok_or("no element")?;
        Ok(format!("/element/{id}"))
    }

    async fn get(&self, path: &str) -> Result<String, String> {
        let request = self.client.get(format!("{}{path}", self.session));
        let value = answered(request).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        answered(self.client.post(format!("{}{path}", self.session)).json(&body)).await
    }

    pub(crate) async fn close(self) {
        answered(self.client.delete(&self.session)).await.unwrap();
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let is_good = answer.status().is_success();
    let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    if is_good {
        Ok(answer["value"].clone())
    } else {
        Err(answer["value"]["message"].to_string())
    }
}

/// What the first line of a program's output says that says something; the rest is read away.
pub(crate) async fn said<T>(
    output: impl AsyncRead + Unpin + Send + 'static,
    meaning: impl Fn(&str) -> Option<T>,
) -> T {
    let mut lines = BufReader::new(output).lines();
    let mut seen = Vec::new();
    let found = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(found) = meaning(&line) {
                return Some(found);
            }
            seen.push(line);
        }
        None
    })
    .await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    match found {
        Ok(Some(found)) => found,
        _ => panic!("it did not say so: {seen:#?}"),
    }
}
