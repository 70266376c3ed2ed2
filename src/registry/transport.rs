//! One request and its answer: connections, time limits, redirects.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Certificate, Client, ClientBuilder, Response};
use url::{Host, Url};

use super::place::{Place, is_loopback, is_metadata, is_public};
use super::{SetupError, body};
use crate::config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a request with its redirects and its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 5;
/// For the body of an answer that is no success.
const ERROR_CAP_BYTES: usize = 64 << 10;

/// A request to a registry or its token service.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'a str,
    pub(super) authorization: Option<HeaderValue>,
    /// For the body of a success.
    pub(super) cap_bytes: usize,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The network or the server is in trouble; another try may succeed.
    Unreachable(String),
    /// We do not take what was offered.
    Refused(String),
}

/// The HTTP clients.
pub(super) struct Transport {
    /// Goes through a proxy where the environment names one.
    world: Client,
    /// Never does: a proxy cannot reach this machine's loopback.
    loopback: Client,
}

impl Transport {
    pub(super) fn new(net: &config::Net) -> Result<Self, SetupError> {
        let roots = match &net.ca_file {
            None => Vec::new(),
            Some(path) => {
                let unusable = |reason: String| SetupError::File {
                    path: path.display().to_string(),
                    reason,
                };
                let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
                Certificate::from_pem_bundle(&pem)
                    .map_err(|_| unusable("not certificates in PEM".to_owned()))?
            }
        };
        let build = |builder: ClientBuilder| {
            builder
                .user_agent(concat!("hubcheck/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                // Redirects are followed below, by our own rules.
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_merge(roots.clone())
                .build()
                .map_err(|error| SetupError::Client(error.to_string()))
        };
        Ok(Self {
            world: build(Client::builder())?,
            loopback: build(Client::builder().no_proxy())?,
        })
    }

    /// Sends a request to `place` and reads the answer, wherever the place sends us for it.
    pub(super) async fn send(&self, place: &Place, request: Request<'_>) -> Result<Answer, Failure> {
        tokio::time::timeout(REQUEST_TIMEOUT, self.follow(place, request))
            .await
            .unwrap_or_else(|_| {
                let seconds = REQUEST_TIMEOUT.as_secs();
                Err(Failure::Unreachable(format!(
                    "no whole answer within {seconds} s"
                )))
            })
    }

    async fn follow(&self, place: &Place, mut request: Request<'_>) -> Result<Answer, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.once(&request).await?;
            let Some(location) = redirection(&response) else {
                return whole(response, request.cap_bytes).await;
            };
            let target = request
                .url
                .join(&location)
                .map_err(|_| Failure::Refused("it redirects to what is no address".to_owned()))?;
            if target.origin() != request.url.origin() {
                check_redirect(place, &target).await?;
                request.authorization = None;
            }
            request.url = target;
        }
        Err(Failure::Refused(format!(
            "it redirects more than {MAX_REDIRECTS} times"
        )))
    }

    async fn once(&self, request: &Request<'_>) -> Result<Response, Failure> {
        let client = if is_loopback(&request.url) {
            &self.loopback
        } else {
            &self.world
        };
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .header(header::ACCEPT, request.accept);
        if let Some(authorization) = &request.authorization {
            builder = builder.header(header::AUTHORIZATION, authorization);
        }
        builder.send().await.map_err(|error| explain(&error))
    }
}

/// Says what broke, without the address: signed addresses are secrets.
pub(super) fn explain(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::Unreachable("it does not answer in time".to_owned());
    }
    let mut cause: Option<&dyn std::error::Error> = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    Failure::Unreachable(cause.map_or_else(|| "the request failed".to_owned(), ToString::to_string))
}

fn redirection(response: &Response) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    is_redirect.then(|| location.to_owned())
}

async fn whole(response: Response, cap_bytes: usize) -> Result<Answer, Failure> {
    let status = response.status();
    let headers = response.headers().clone();
    let body = if status.is_success() {
        body::read(response, cap_bytes).await?
    } else {
        // The status says enough, should the explanation be broken or too long.
        body::read(response, ERROR_CAP_BYTES).await.unwrap_or_default()
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// May we go to `target`, another server, because `place` says so?
///
/// The name is looked up here and again by the client. In between it could come to mean an inner
/// address, which is of no use: without a certificate for that name no request is sent.
async fn check_redirect(place: &Place, target: &Url) -> Result<(), Failure> {
    let name = target.host_str().unwrap_or_default();
    if target.scheme() != "https" && !(target.scheme() == "http" && place.is_plain_loopback()) {
        return Err(Failure::Refused(format!("it redirects to {name} without https")));
    }
    let addresses = addresses(target).await;
    if addresses.iter().copied().any(is_metadata) {
        return Err(Failure::Refused(format!(
            "it redirects to {name}, a link-local address"
        )));
    }
    let is_inner = |addresses: &[IpAddr]| addresses.iter().any(|&address| !is_public(address));
    if is_inner(&addresses) && !is_inner(&self::addresses(place.origin()).await) {
        return Err(Failure::Refused(format!(
            "it redirects to {name}, an address of an inner network"
        )));
    }
    Ok(())
}

/// What the host means. Nothing for a name that nobody knows here: it is for the proxy to look up,
/// by its own rules.
async fn addresses(url: &Url) -> Vec<IpAddr> {
    match url.host() {
        None => Vec::new(),
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain(name)) => {
            let port = url.port_or_known_default().unwrap_or(443);
            tokio::net::lookup_host((name, port)).await.map_or_else(
                |_| Vec::new(),
                |found| found.map(|address| address.ip()).collect(),
            )
        }
    }
}
