//! The SDK clients, made once in the init phase: made lazily, the first call of a function costs five times as much.

use std::time::Duration;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_ecs::config::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::ec2::Ec2;
use crate::web::Web;

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
