//! Values that the tests of several modules begin with.

use crate::config::{ServiceConfig, parse};
use crate::ids::Digest;
use crate::rollout::ImageRef;
use crate::time::Time;

pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";

pub(crate) const FILE: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    images:
      - repository: shop-api
        container: api
        tags: { semver: ">=1.0.0" }
    engine:
      managed:
        blue: shop-api-blue
        green: shop-api-green
        routes:
          - arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3
    strategy:
      canary:
        steps: [ { weight: 10, bake: 3m }, { weight: 50, bake: 3m } ]
        bake: 5m
    alarms: { blue: [ blue-5xx ], green: [ green-5xx ], both: [ lb-5xx ] }
    standby: 10m
"#;

pub(crate) fn config() -> ServiceConfig {
    parse(FILE).expect("the fixture parses").remove(0)
}

pub(crate) fn image(tag: &str, digest: u8, pushed_at: Time) -> ImageRef {
    ImageRef {
        registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
        repository: "shop-api".to_owned(),
        tag: tag.to_owned(),
        digest: Digest(format!("sha256:{}", format!("{digest:02x}").repeat(32))),
        pushed_at,
    }
}
