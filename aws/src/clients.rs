//! The SDK clients, made once in the init phase: made lazily, the first call of a function costs five times as much.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_ecs::config::Credentials;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::ec2::Ec2;
use crate::errors::chain;

/// Every client of the product. Reads retry as the SDK does, three attempts within five seconds; writes override that.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Amazon ECS.
    pub ecs: aws_sdk_ecs::Client,
    /// Elastic Load Balancing, the generation with target groups.
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    /// CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// Application Auto Scaling.
    pub scaling: aws_sdk_applicationautoscaling::Client,
    /// Amazon ECR.
    pub ecr: aws_sdk_ecr::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// Amazon EC2.
    pub(crate) ec2: Ec2,
    /// The region the clients speak to, where one is known.
    pub region: Option<String>,
    /// Whether the endpoint is plain HTTP.
    plain: bool,
}

impl Clients {
    /// Clients as the environment says: region, credentials, profile, `AWS_ENDPOINT_URL`.
    #[expect(clippy::disallowed_methods, reason = "the SDK reads the same variable itself, in the same place")]
    pub async fn load() -> Clients {
        let plain = std::env::var("AWS_ENDPOINT_URL").is_ok_and(|url| url.starts_with("http://"));
        Clients::from_config(&loader(plain).load().await, plain)
    }

    /// Clients of an endpoint that is given rather than read from the environment, as the local cloud's. `caller` is the
    /// access key id that the endpoint sees.
    pub async fn at(endpoint: &str, region: &str, caller: &str) -> Clients {
        let plain = endpoint.starts_with("http://");
        let config = loader(plain)
            .endpoint_url(endpoint)
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(caller, "local", None, None, "flipback"))
            .load()
            .await;
        Clients::from_config(&config, plain)
    }

    fn from_config(config: &SdkConfig, plain: bool) -> Clients {
        Clients {
            ecs: aws_sdk_ecs::Client::new(config),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            scaling: aws_sdk_applicationautoscaling::Client::new(config),
            ecr: aws_sdk_ecr::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            ec2: Ec2::new(config, Web::new(plain)),
            region: config.region().map(|region| region.as_ref().to_owned()),
            plain,
        }
    }

    /// A client for what is no AWS API, on the same TLS stack.
    #[must_use]
    pub fn web(&self) -> Web {
        Web::new(self.plain)
    }

    /// A client for a service's own listeners; with `at`, whatever the URL names is looked for there.
    pub(crate) fn web_to_listeners(&self, at: Option<String>) -> Web {
        Web::to_listeners(self.plain, at)
    }
}

fn loader(plain: bool) -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(plain))
        .retry_config(reading_retries())
        .timeout_config(reading_timeouts())
}

/// Three attempts, quick ones: a look that takes long is a look that is old.
fn reading_retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(1))
}

fn reading_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(1500))
        .operation_attempt_timeout(Duration::from_millis(2500))
        .operation_timeout(Duration::from_secs(5))
        .build()
}

/// rustls with ring; without TLS for a plain endpoint, which then needs no CA certificates on the machine (without any,
/// the TLS client panics on its first call).
fn http_client(plain: bool) -> SharedHttpClient {
    if plain {
        Builder::new().build_http()
    } else {
        Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    }
}

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
    /// One for a plain endpoint.
    #[cfg(test)]
    pub(crate) fn plain() -> Web {
        Web::new(true)
    }

    fn new(plain: bool) -> Web {
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
    fn to_listeners(plain: bool, at: Option<String>) -> Web {
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
