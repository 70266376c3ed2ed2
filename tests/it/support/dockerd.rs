//! A Docker Engine of a test's own, which may be restarted and whose disk may be full.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to start, or to stop.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running `dockerd` with a containerd of its own, on a disk in memory; dropping it ends both and removes
/// all that they made.
pub(crate) struct Dockerd {
    process: Child,
    folder: TempDir,
}

impl Dockerd {
    /// Starts one whose disk has `disk_mib` MiB. `None`, with a word why, where this user may not.
    pub(crate) fn start(disk_mib: u32) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout.trim_ascii() != b"0" {
            println!("skipped: only root may start a Docker Engine");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("data");
        std::fs::create_dir(&disk).unwrap();
        let size = format!("size={disk_mib}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], &disk);
        // Without this file the machine's own settings would be read.
        std::fs::write(folder.path().join("daemon.json"), "{}").unwrap();
        let process = launch(folder.path());
        let dockerd = Self { process, folder };
        dockerd.wait_until_it_answers();
        Some(dockerd)
    }

    /// `unix://…`
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// Ends it as `systemctl restart` does, and starts it anew over the same disk.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.process = launch(self.folder.path());
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        let asks = || {
            Command::new("docker")
                .args(["--host", &self.host(), "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        };
        while !asks().unwrap().success() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "dockerd does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let began = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if began.elapsed() > PATIENCE {
                let _ = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.end();
        // Innermost first: what it mounted and did not unmount, and the disk itself.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = self.folder.path().display().to_string();
        let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut mounted: Vec<&str> = mounted.filter(|path| path.starts_with(&ours)).collect();
        mounted.sort_by_key(|path| std::cmp::Reverse(path.len()));
        for path in mounted {
            let _ = Command::new("umount").args(["--lazy", path]).status();
        }
    }
}

fn launch(folder: &Path) -> Child {
    let at = |name: &str| folder.join(name).display().to_string();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new("dockerd")
        .args(["--config-file", &at("daemon.json")])
        .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
        .args(["--pidfile", &at("pid")])
        .arg(format!("--host=unix://{}", at("docker.sock")))
        .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
        .args(["--storage-driver=overlay2", "--shutdown-timeout=1"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn run(program: &str, args: &[&str], last: &Path) {
    let status = Command::new(program).args(args).arg(last).status().unwrap();
    assert!(
        status.success(),
        "{program} {args:?} {}: {status}",
        last.display()
    );
}
