//! What the Engine says about itself, and what is to be said about that.

/// What the Engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its own id, which outlives restarts: two Engines may have the same address on two hosts.
    pub id: String,
    /// `20.10.24`
    pub version: String,
    /// `1.41`
    pub api_version: String,
    /// `linux`
    pub os: String,
    /// In Go's words: `amd64`.
    pub architecture: String,
    /// The OCI runtimes that it has, sorted.
    pub runtimes: Vec<String>,
    /// Its runc, where it tells: `1.1.5+ds1`.
    pub runc: Option<String>,
    /// Where it keeps images and containers, on its own machine.
    pub root: String,
}

impl EngineInfo {
    /// What an image could use to break out, where the runc is as old as it says; distributions mend old ones.
    /// <https://github.com/opencontainers/runc/security/advisories>
    pub fn danger(&self) -> Option<String> {
        let runc = self.runc.as_deref()?;
        let numbers: Vec<u32> = runc
            .split(|char: char| !char.is_ascii_digit())
            .take(3)
            .map_while(|number| number.parse().ok())
            .collect();
        let [major, minor, patch] = numbers[..] else {
            return None;
        };
        let holes = match (major, minor, patch) {
            (0, ..) | (1, 0, _) | (1, 1, 0..12) => "CVE-2024-21626 and CVE-2025-31133",
            (1, 1, _) | (1, 2, 0..8) | (1, 3, 0..3) => "CVE-2025-31133",
            _ => return None,
        };
        Some(format!(
            "the Docker Engine's runc is {runc}: unless your distribution mended it, images can break out of their containers ({holes}); update it to 1.2.8, 1.3.3 or newer"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_runc_is_warned_of() {
        for (runc, is_old) in [
            ("1.0.3", true),
            ("1.1.5+ds1", true),
            ("1.1.11", true),
            ("1.1.15", true),
            ("1.2.7", true),
            ("1.2.8", false),
            ("1.3.2", true),
            ("1.3.3", false),
            ("1.4.0-rc.3", false),
            ("2.0.0", false),
            ("unknown", false),
        ] {
            let info = EngineInfo {
                id: String::new(),
                version: String::new(),
                api_version: String::new(),
                os: String::new(),
                architecture: String::new(),
                runtimes: Vec::new(),
                runc: Some(runc.to_owned()),
                root: String::new(),
            };
            assert_eq!(info.danger().is_some(), is_old, "{runc}");
        }
    }
}
