//! One request and its answer: connections, time limits, redirects.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{Client, ClientBuilder, Response};
use url::Url;

use super::place::{Place, address, is_loopback, is_metadata, is_public};
use super::{SetupError, body};
use crate::net::Trust;
use crate::tally;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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
    /// For a request with its redirects and its body.
    timeout: Duration,
}

impl Transport {
    pub(super) fn new(trust: &Trust) -> Result<Self, SetupError> {
        let build = |builder: ClientBuilder| {
            builder
                .connect_timeout(CONNECT_TIMEOUT)
                // Redirects are followed below, by our own rules.
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| SetupError::Client(error.to_string()))
        };
        Ok(Self {
            world: build(trust.client_builder())?,
            loopback: build(trust.client_builder().no_proxy())?,
            timeout: REQUEST_TIMEOUT,
        })
    }

    /// Sends a request to `place` and reads the answer, wherever the place sends us for it.
    pub(super) async fn send(&self, place: &Place, request: Request<'_>) -> Result<Answer, Failure> {
        tokio::time::timeout(self.timeout, self.follow(place, request))
            .await
            .unwrap_or_else(|_| {
                let reason = format!("no whole answer within {:?}", self.timeout);
                Err(Failure::Unreachable(reason))
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
        tally::registry_request();
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
    let mut reason = cause.map_or_else(|| "the request failed".to_owned(), ToString::to_string);
    if reason.contains("UnknownIssuer") {
        reason += " (a company's own certificates belong in [net] ca_file)";
    }
    Failure::Unreachable(reason)
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
    if let Some(address) = address(url) {
        return vec![address];
    }
    let port = url.port_or_known_default().unwrap_or(443);
    tokio::net::lookup_host((url.host_str().unwrap_or_default(), port))
        .await
        .map_or_else(
            |_| Vec::new(),
            |found| found.map(|address| address.ip()).collect(),
        )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What becomes of a request to a server that sends `reply`, again and again, and never ends it.
    async fn outcome(reply: &'static [&'static [u8]], timeout: Duration) -> Result<Answer, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            for piece in reply.iter().chain(std::iter::repeat(reply.last().unwrap())) {
                // The client hangs up once it has had enough.
                if stream.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        let transport = Transport {
            timeout,
            ..Transport::new(&Trust::new(&crate::config::Net::default()).unwrap()).unwrap()
        };
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            accept: "*/*",
            authorization: None,
            cap_bytes: 1000,
        };
        let outcome = transport.send(&Place::of_endpoint(&url).unwrap(), request).await;
        server.abort();
        outcome
    }

    #[tokio::test]
    async fn a_body_without_end_is_given_up_at_the_cap() {
        const ENDLESS: [&[u8]; 2] = [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n",
        ];
        let outcome = outcome(&ENDLESS, REQUEST_TIMEOUT).await;
        let Err(Failure::Refused(reason)) = outcome else {
            panic!("more than the cap");
        };
        assert_eq!(reason, "it is larger than 1000 bytes");
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let outcome = outcome(&[b""], Duration::from_millis(50)).await;
        let Err(Failure::Unreachable(reason)) = outcome else {
            panic!("no answer");
        };
        assert_eq!(reason, "no whole answer within 50ms");
    }
}
