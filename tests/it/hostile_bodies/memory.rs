//! What a stranger's body costs the program in memory, measured on the program itself.

use std::net::SocketAddr;
use std::path::Path;

use hubcheck::demo::github::{GitHub, SimulatedApp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::PATIENCE;
use crate::cli::{hubcheck, run, serving, serving_child};
use crate::support::house::today;

/// What strangers send.
const FLOOD: usize = 100 << 20;

/// What one of them may cost; the largest body of a registry is a megabyte.
const ONE: u64 = 8 << 20;

/// What all of them may cost together where their length is one that GitHub's could have.
const ALL: u64 = 80 << 20;

/// The program at work.
struct Program {
    address: SocketAddr,
    hook: String,
    pid: u32,
    _child: tokio::process::Child,
}

impl Program {
    async fn start(folder: &Path, github: &GitHub) -> Self {
        // Free now, and nobody else's by all likelihood.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let config = format!(
            "public_url = \"http://{address}\"\n{}[[image]]\nname = \"acme/app\"\nrepo = \"acme/app\"\n",
            serving(github, &address.to_string())
        );
        std::fs::write(folder.join("hubcheck.toml"), config).unwrap();
        let (code, hook, stderr) = run(hubcheck(folder).args(["hook-url", "acme/app"])).await;
        assert_eq!(code, Some(0), "{stderr}");
        let child = serving_child(folder).await;
        Self {
            address,
            hook: hook
                .trim()
                .strip_prefix(&format!("http://{address}"))
                .unwrap()
                .to_owned(),
            pid: child.id().unwrap(),
            _child: child,
        }
    }

    /// A line of the kernel's account of the program, in bytes.
    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|known| known.strip_prefix(line)).unwrap();
        line.trim_matches([':', '\t', ' ', 'k', 'B'])
            .parse::<u64>()
            .unwrap()
            << 10
    }

    /// How much more memory the program ever held while this was done than before.
    async fn grown_by<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        // The peak so far is forgotten.
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5").unwrap();
        let before = self.memory("VmRSS");
        let done = work.await;
        (done, self.memory("VmHWM").saturating_sub(before))
    }

    /// Sends a body for as long as it is taken; the answer's status.
    async fn flood(&self, path: &str, fields: &str, size: usize) -> String {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n\r\n");
        let (mut reader, mut writer) = TcpStream::connect(self.address).await.unwrap().into_split();
        let chunked = fields.contains("chunked");
        let sending = tokio::spawn(async move {
            let mut piece = vec![b'x'; 64 << 10];
            if chunked {
                piece = [b"10000\r\n".as_slice(), &piece, b"\r\n"].concat();
            }
            let mut sent = writer.write_all(head.as_bytes()).await;
            for _ in 0..size.div_ceil(64 << 10) {
                if sent.is_err() {
                    break;
                }
                sent = writer.write_all(&piece).await;
            }
            // Held open, so that nothing but the program ends the exchange.
            writer
        });
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer))
            .await
            .expect("no answer");
        sending.abort();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).unwrap_or("none").to_owned()
    }
}

#[tokio::test]
async fn a_hundred_megabytes_from_a_stranger_cost_next_to_nothing() {
    let github = GitHub::start(SimulatedApp::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &github).await;
    let wrong = format!("x-hub-signature-256: sha256={}\r\n", "0".repeat(64));
    let hook = program.hook.clone();
    let paths = [
        ("/hooks/dockerhub/wrong", "", "403"),
        (hook.as_str(), "", "413"),
        ("/hooks/github", "", "403"),
        ("/hooks/github", wrong.as_str(), "413"),
    ];
    for (path, signature, status) in paths {
        for length in [
            format!("content-length: {FLOOD}"),
            "transfer-encoding: chunked".to_owned(),
        ] {
            let fields = format!("{signature}{length}");
            let (answer, grown) = program.grown_by(program.flood(path, &fields, FLOOD)).await;
            println!("{path} {fields:?}: {answer}, {} KiB more", grown >> 10);
            assert_eq!(answer, status, "{path} {fields:?}");
            assert!(grown < ONE, "{path} {fields:?}: {grown} bytes more");
        }
    }
    // As large as GitHub's own may be, from many at once: read, and not all at a time.
    let size = 25_000_000;
    let fields = format!("{wrong}content-length: {size}");
    let crowd = (0..12).map(|_| program.flood("/hooks/github", &fields, size));
    let (answers, grown) = program.grown_by(futures_util::future::join_all(crowd)).await;
    println!("{answers:?}, {} KiB more", grown >> 10);
    assert!(
        answers
            .iter()
            .all(|status| matches!(status.as_str(), "403" | "429")),
        "{answers:?}"
    );
    assert!(grown < ALL, "{grown} bytes more");
    let body = today("v1").to_string();
    let answer = reqwest::Client::new()
        .post(format!("http://{}{hook}", program.address))
        .body(body);
    assert_eq!(
        answer.send().await.unwrap().status(),
        202,
        "the next good one is taken"
    );
}
