//! Where an image is really read: its own registry, or the endpoint that stands in for it.

use std::net::IpAddr;

use url::{Host, Url};

use crate::model::ImageName;

/// Docker Hub's name in an image's name.
pub(super) const HUB: &str = "docker.io";
/// Where Docker Hub's registry is served.
const HUB_HOST: &str = "registry-1.docker.io";

/// Token services on another host than their registry's. All others must share the registry's host.
const TOKEN_HOSTS: [(&str, &str); 2] = [
    (HUB_HOST, "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

/// The server that speaks for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `scheme://host[:port]/`
    origin: Url,
    /// Before each repository's name, without slashes at its ends; empty for none.
    prefix: String,
}

impl Place {
    /// The registry of this name itself. `None` where the name is no host that may be read: a cloud's
    /// metadata service is none, whatever an image calls itself.
    pub(super) fn of_registry(registry: &str) -> Option<Self> {
        let host = if registry == HUB { HUB_HOST } else { registry };
        let https = Url::parse(&format!("https://{host}/")).ok()?;
        if address(&https).is_some_and(is_metadata) {
            return None;
        }
        // As the Engine does it: what is on this machine may go without TLS.
        let origin = if is_loopback(&https) {
            Url::parse(&format!("http://{host}/")).ok()?
        } else {
            https
        };
        Some(Self {
            origin,
            prefix: String::new(),
        })
    }

    /// An endpoint of the configuration.
    pub(super) fn of_endpoint(endpoint: &Url) -> Result<Self, &'static str> {
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host().is_none() {
            return Err("is no http or https address");
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err("has an account in it (that belongs in username and password)");
        }
        if endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err("has a query or a fragment");
        }
        let prefix = endpoint.path().trim_matches('/').to_owned();
        let mut origin = endpoint.clone();
        origin.set_path("/");
        Ok(Self { origin, prefix })
    }

    /// `host` or `host:port`.
    pub(super) fn host(&self) -> String {
        let host = self.origin.host_str().unwrap_or_default();
        match self.origin.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The name under which accounts of this place are kept.
    pub(super) fn account_host(&self) -> String {
        if self.is_hub() {
            HUB.to_owned()
        } else {
            self.host()
        }
    }

    pub(super) fn is_hub(&self) -> bool {
        self.origin.host_str() == Some(HUB_HOST)
    }

    /// Is it on this machine, without TLS?
    pub(super) fn is_plain_loopback(&self) -> bool {
        self.origin.scheme() == "http" && is_loopback(&self.origin)
    }

    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// The repository's name at this place.
    pub(super) fn repository(&self, image: &ImageName) -> String {
        if self.prefix.is_empty() {
            image.path().to_owned()
        } else {
            format!("{}/{}", self.prefix, image.path())
        }
    }

    /// The address of something in the image's repository: `manifests/latest`.
    pub(super) fn url(&self, image: &ImageName, rest: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.repository(image)));
        url
    }

    /// The image's name for an Engine that pulls from this place.
    pub(super) fn pull_reference(&self, image: &ImageName) -> String {
        let host = self.host();
        // A bare word would be taken for a namespace on Docker Hub: a port makes it a host.
        let is_bare = !host.contains(['.', ':']) && host != "localhost";
        let port = self.origin.port_or_known_default().filter(|_| is_bare);
        let host = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        format!("{host}/{}", self.repository(image))
    }

    /// Checks the address at which the registry says that tokens are given out.
    pub(super) fn realm(&self, text: &str) -> Result<Url, String> {
        let realm = Url::parse(text).map_err(|_| "it names no address for tokens".to_owned())?;
        let ours = self.origin.host_str().unwrap_or_default();
        let theirs = realm.host_str().unwrap_or_default();
        let same_origin = realm.origin() == self.origin.origin();
        let known = ours == theirs || TOKEN_HOSTS.contains(&(ours, theirs));
        if !realm.username().is_empty() || realm.password().is_some() {
            Err("its address for tokens has an account in it".to_owned())
        } else if same_origin || (realm.scheme() == "https" && known) {
            Ok(realm)
        } else {
            Err(format!(
                "it sends us to {theirs} for a token, which is not its own host over https: not followed"
            ))
        }
    }
}

/// Does the host mean this machine?
pub(super) fn is_loopback(url: &Url) -> bool {
    address(url).map_or(url.host_str() == Some("localhost"), |address| {
        address.is_loopback()
    })
}

/// The address that stands in a host's place.
pub(super) fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Is the address one of the open internet, rather than of this machine, its networks or its cloud?
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            let reserved = first == 0 || first >= 224;
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared || reserved)
        }
        IpAddr::V6(v6) => {
            // Global unicast is 2000::/3; 64:ff9b::/96 and 2002::/16 carry IPv4 addresses inside.
            let first = v6.segments()[0];
            (0x2000..0x4000).contains(&first) && first != 0x2002
        }
    }
}

/// Can a cloud's metadata service, with its credentials, stand at this address?
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Place {
        Place::of_endpoint(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn docker_hub_is_read_at_its_own_host() {
        let image: ImageName = "acme/app".parse().unwrap();
        let place = Place::of_registry(image.registry()).unwrap();
        let url = place.url(&image, "manifests/latest");
        assert_eq!(
            url.as_str(),
            "https://registry-1.docker.io/v2/acme/app/manifests/latest"
        );
        assert_eq!(place.account_host(), "docker.io");
    }

    #[test]
    fn only_this_machine_goes_without_tls() {
        for (registry, origin) in [
            ("ghcr.io", "https://ghcr.io/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("127.8.8.8:5000", "http://127.8.8.8:5000/"),
        ] {
            assert_eq!(Place::of_registry(registry).unwrap().origin().as_str(), origin);
        }
        assert!(Place::of_registry("host:99999").is_none());
        assert!(Place::of_registry("169.254.169.254").is_none());
    }

    #[test]
    fn an_engine_pulls_from_the_endpoint_with_its_prefix() {
        let image: ImageName = "acme/app".parse().unwrap();
        for (written, reference) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000/acme/app"),
            (
                "https://mirror.example.org/hub/",
                "mirror.example.org/hub/acme/app",
            ),
            ("https://mirror", "mirror:443/acme/app"),
            ("http://localhost", "localhost/acme/app"),
        ] {
            assert_eq!(endpoint(written).pull_reference(&image), reference);
        }
    }

    #[test]
    fn endpoints_are_plain_addresses() {
        for wrong in [
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example?x=1",
            "mailto:a@b",
        ] {
            assert!(Place::of_endpoint(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_are_fetched_from_the_registrys_own_host_over_https_alone() {
        let hub = Place::of_registry("docker.io").unwrap();
        assert!(hub.realm("https://auth.docker.io/token").is_ok());
        let ghcr = Place::of_registry("ghcr.io").unwrap();
        assert!(ghcr.realm("https://ghcr.io/token").is_ok());
        let local = endpoint("http://127.0.0.1:5000");
        assert!(local.realm("http://127.0.0.1:5000/token").is_ok());
        for (place, realm) in [
            (&hub, "http://auth.docker.io/token"),
            (&hub, "https://auth.docker.io.evil.example/token"),
            (&hub, "https://x@auth.docker.io/token"),
            (&ghcr, "https://auth.docker.io/token"),
            (&ghcr, "http://ghcr.io/token"),
            (&ghcr, "/token"),
            (&local, "http://127.0.0.1:5001/token"),
            (&local, "http://169.254.169.254/token"),
        ] {
            assert!(place.realm(realm).is_err(), "{realm}");
        }
    }

    #[test]
    fn inner_addresses_are_not_public() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:a00:1::",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for metadata in ["169.254.169.254", "fe80::1", "fd00:ec2::254"] {
            assert!(is_metadata(metadata.parse().unwrap()), "{metadata}");
        }
        for outer in ["1.1.1.1", "104.18.121.25", "2606:4700::1"] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }
}
