//! HTTP to what is no AWS API with an SDK here, on the same TLS stack as the SDK: Slack, listeners, EC2.

use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::errors::chain;

/// A plain web client: one request at a time, redirects not followed.
#[derive(Clone, Debug)]
pub struct Web(SharedHttpConnector);

/// More of an answer's body is not read: it has to fit into a function's memory.
const LONGEST_BODY: usize = 1 << 20;

/// What a web server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header in seconds, where there is one.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
}

impl Web {
    pub(crate) fn new(plain: bool) -> Web {
        let connector = if plain {
            Connector::builder().build_http()
        } else {
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
        };
        Web(SharedHttpConnector::new(connector))
    }

    /// One for requests to a service's own listeners: over the proxy that `HTTP_PROXY` names, where one is set. With
    /// `at`, every name means the address of that name: a listener's certificate is for the service's name, and the
    /// service's name may lead somewhere else.
    pub(crate) fn to_listeners(plain: bool, at: Option<String>) -> Web {
        let builder = Connector::builder().proxy_config(ProxyConfig::from_env());
        let tls = |builder: ConnectorBuilder| builder.tls_provider(Provider::Rustls(CryptoMode::Ring));
        let connector = match at {
            _ if plain => builder.build_http(),
            None => tls(builder).build(),
            Some(name) => tls(builder).build_with_resolver(At(name)),
        };
        Web(SharedHttpConnector::new(connector))
    }

    /// Gets a page, waiting `timeout` at most.
    ///
    /// # Errors
    /// A sentence: no valid URL or header, no connection, no answer in time.
    pub async fn get(&self, url: &str, headers: &[(String, String)], timeout: Duration) -> Result<WebAnswer, String> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|_| format!("the URL {url} is not valid"))?;
        for (name, value) in headers {
            let put = request.headers_mut().try_insert(name.clone(), value.clone());
            put.map_err(|_| format!("the header {name}: {value} cannot be sent"))?;
        }
        self.send(request, timeout).await
    }

    /// Posts JSON, waiting `timeout` at most. The URL may be a secret and is in no error.
    ///
    /// # Errors
    /// A sentence: no valid URL, no connection, no answer in time.
    pub async fn post_json(&self, url: &str, body: String, timeout: Duration) -> Result<WebAnswer, String> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| chain(&error))?;
        request.set_uri(url).map_err(|_| "the URL is not valid".to_owned())?;
        request.headers_mut().insert("content-type", "application/json; charset=utf-8");
        self.send(request, timeout).await
    }

    /// Posts a body with these headers, waiting `timeout` at most.
    ///
    /// # Errors
    /// A sentence: no valid URL or header, no connection, no answer in time.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: String,
        timeout: Duration,
    ) -> Result<WebAnswer, String> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| chain(&error))?;
        request.set_uri(url).map_err(|_| format!("the URL {url} is not valid"))?;
        for (name, value) in headers {
            let put = request.headers_mut().try_insert(name.clone(), value.clone());
            put.map_err(|_| format!("the header {name} cannot be sent"))?;
        }
        self.send(request, timeout).await
    }

    async fn send(&self, request: HttpRequest, timeout: Duration) -> Result<WebAnswer, String> {
        let answer = tokio::time::timeout(timeout, self.0.call(request))
            .await
            .map_err(|_| format!("no answer within {} s", timeout.as_secs()))?
            .map_err(|error| chain(&error))?;
        tokio::time::timeout(timeout, read_answer(answer))
            .await
            .map_err(|_| format!("no whole answer within {} s", timeout.as_secs()))?
    }
}

async fn read_answer(mut answer: HttpResponse) -> Result<WebAnswer, String> {
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after").and_then(|text| text.trim().parse().ok());
    let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let (mut stream, mut bytes) = (ByteStream::new(body), Vec::new());
    while let Some(part) = stream.next().await {
        bytes.extend_from_slice(&part.map_err(|error| chain(&error))?);
        if bytes.len() >= LONGEST_BODY {
            break;
        }
    }
    Ok(WebAnswer { status, retry_after, body: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Resolves every name to the addresses of one.
#[derive(Clone, Debug)]
struct At(String);

impl ResolveDns for At {
    fn resolve_dns<'a>(&'a self, _asked: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async {
            let found = tokio::net::lookup_host((self.0.as_str(), 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_name_means_the_addresses_of_the_one() {
        let found = At("localhost".to_owned()).resolve_dns("shop.example.com").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(std::net::IpAddr::is_loopback), "{found:?}");
        assert!(At("no such name".to_owned()).resolve_dns("localhost").await.is_err());
    }
}
