//! Amazon EC2 without its SDK, which is larger than all the others together: one call, signed and read here.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ecs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::service_config::ServiceConfigKey;
use quick_xml::Reader;
use quick_xml::events::Event;
use shared::ports::Clock;

use crate::clock::SystemClock;
use crate::errors::{Failure, Kind, chain};
use crate::web::{Web, WebAnswer};

/// The API's version (its reference).
const VERSION: &str = "2016-11-15";
const CONTENT: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// Speaks EC2's Query protocol, over the same TLS stack as the SDK.
#[derive(Clone, Debug)]
pub(crate) struct Ec2 {
    web: Web,
    /// Where it is said in the environment or the profile, as the SDK reads it.
    given: Option<String>,
    region: String,
    fips: bool,
    dual_stack: bool,
    credentials: Option<SharedCredentialsProvider>,
}

/// A subnet as DescribeSubnets shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) zone: String,
    /// IPv4 addresses left; none: it has IPv6 addresses only.
    pub(crate) free: Option<u32>,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig, web: Web) -> Ec2 {
        let key = ServiceConfigKey::builder().service_id("EC2").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let by_program = config.get_origin("endpoint_url").is_client_config();
        let own = config.service_config().zip(key.ok()).and_then(|(of, key)| of.load_config(key));
        Ec2 {
            web,
            // What the program itself says comes first, then what is said of EC2, then what is said of all.
            given: own.filter(|_| !by_program).or_else(|| config.endpoint_url().map(str::to_owned)),
            region: config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default(),
            fips: config.use_fips() == Some(true),
            dual_stack: config.use_dual_stack() == Some(true),
            credentials: config.credentials_provider(),
        }
    }

    /// Where EC2 is: beside ECS, whose SDK knows every partition. GovCloud's plain endpoint is a FIPS one (EC2 endpoints, AWS General
    /// Reference).
    async fn endpoint(&self) -> Result<String, String> {
        let slash = |url: &str| format!("{}/", url.trim_end_matches('/'));
        if let Some(given) = &self.given {
            return Ok(slash(given));
        }
        let fips = self.fips && (self.dual_stack || !self.region.starts_with("us-gov-"));
        let params = Params::builder().region(&self.region).use_fips(fips).use_dual_stack(self.dual_stack).build();
        let params = params.map_err(|error| chain(&error))?;
        let ecs = DefaultResolver::new().resolve_endpoint(&params).await.map_err(|error| error.to_string())?;
        let (_, rest) = ecs.url().split_once("://ecs").ok_or_else(|| format!("{} is not of ECS", ecs.url()))?;
        Ok(slash(&format!("https://ec2{rest}")))
    }

    /// The subnets of these that there are: two hundred at most, as many as a filter takes (EC2 API reference).
    pub(crate) async fn subnets(&self, ids: &[String]) -> Result<Vec<Described>, Failure> {
        let mut fields = vec![("Filter.1.Name".to_owned(), "subnet-id")];
        fields.extend(ids.iter().enumerate().map(|(n, id)| (format!("Filter.1.Value.{}", n + 1), id.as_str())));
        let call = "ec2:DescribeSubnets";
        let answer = self.call(call, "DescribeSubnets", &fields).await?;
        subnets(&answer).map_err(|error| Failure::unreadable(call, error))
    }

    async fn call(&self, call: &str, action: &str, fields: &[(String, &str)]) -> Result<String, Failure> {
        let both = [("Action".to_owned(), action), ("Version".to_owned(), VERSION)];
        let all: Vec<&(String, &str)> = both.iter().chain(fields).collect();
        let body = serde_urlencoded::to_string(all).map_err(|error| Failure::unreadable(call, chain(&error)))?;
        let first = self.send(call, &body).await;
        match first {
            // Once more, as the SDK does with what may pass.
            Err(Failure { kind: Kind::Unreachable | Kind::Server, .. }) => self.send(call, &body).await,
            answer => answer,
        }
    }

    async fn send(&self, call: &str, body: &str) -> Result<String, Failure> {
        let unsent = |why: String| Failure::unsent(call, why);
        let endpoint = self.endpoint().await.map_err(unsent)?;
        let mut headers = vec![(CONTENT.0.to_owned(), CONTENT.1.to_owned())];
        let signed = tokio::time::timeout(TIMEOUT, self.signature(&endpoint, body)).await;
        headers.extend(signed.map_err(|_| unsent("there were no credentials in time".to_owned()))?.map_err(unsent)?);
        match self.web.post(&endpoint, &headers, body.to_owned(), TIMEOUT).await.map_err(unsent)? {
            WebAnswer { status: 200, body, .. } => Ok(body),
            WebAnswer { status, body, .. } => {
                let text = |name: &str| texts(&body, name).ok()?.into_iter().next();
                let (code, message) = (text("Code").unwrap_or_default(), text("Message").unwrap_or_default());
                Err(Failure::said(call, &code, &message, status))
            }
        }
    }

    /// The headers that sign a form.
    async fn signature(&self, endpoint: &str, body: &str) -> Result<Vec<(String, String)>, String> {
        let provider = self.credentials.as_ref().ok_or("there are no credentials")?;
        let identity: Identity = provider.provide_credentials().await.map_err(|error| chain(&error))?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ec2")
            .time(UNIX_EPOCH + Duration::from_millis(SystemClock.now().0))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| chain(&error))?
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", endpoint, [CONTENT].into_iter(), body);
        let signed = sign(request.map_err(|error| chain(&error))?, &params).map_err(|error| chain(&error))?;
        let (headers, _) = signed.into_parts().0.into_parts();
        Ok(headers.iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
    }
}

/// The texts of every element of this name.
fn texts(xml: &str, name: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    walk(xml, |path, text| {
        if path.last().is_some_and(|last| last == name) {
            found.push(text.to_owned());
        }
    })?;
    Ok(found)
}

/// Shows each text with the names around it, outermost first; an element that ends too, without a text.
fn walk(xml: &str, mut see: impl FnMut(&[String], &str)) -> Result<(), String> {
    let (mut reader, mut path, mut text) = (Reader::from_str(xml), Vec::<String>::new(), String::new());
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => {
                text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap_or_default());
            }
            Event::End(_) => {
                see(&path, &text);
                path.pop();
                text.clear();
            }
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err("the answer ends in its middle".to_owned()),
            _ => {}
        }
    }
}

fn subnets(xml: &str) -> Result<Vec<Described>, String> {
    const ITEM: [&str; 3] = ["DescribeSubnetsResponse", "subnetSet", "item"];
    let (mut found, mut wrong, mut ours) = (Vec::new(), None, false);
    let mut one = BTreeMap::<String, String>::new();
    walk(xml, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        ours |= path == ITEM[..2];
        match path.as_slice() {
            [a, b, c, name] if [*a, *b, *c] == ITEM => drop(one.insert((*name).to_owned(), text.to_owned())),
            path if path == ITEM => match described(&std::mem::take(&mut one)) {
                Ok(one) => found.push(one),
                Err(why) => wrong = Some(why),
            },
            // More than two hundred are never asked for, and AWS pages only where it is asked to.
            [_, "nextToken"] if !text.is_empty() => wrong = Some("the answer is not the whole one".to_owned()),
            _ => {}
        }
    })?;
    match wrong {
        Some(wrong) => Err(wrong),
        None if !ours => Err("the answer has no subnets in it, not even none".to_owned()),
        None => Ok(found),
    }
}

fn described(members: &BTreeMap<String, String>) -> Result<Described, String> {
    let text = |name: &str| {
        let text = members.get(name).filter(|text| !text.is_empty());
        text.cloned().ok_or_else(|| format!("a subnet has no {name}"))
    };
    let only_ipv6 = members.get("ipv6Native").is_some_and(|native| native == "true");
    let free = match only_ipv6 {
        true => None,
        false => {
            let free = text("availableIpAddressCount")?;
            Some(free.parse().map_err(|_| format!("{free} is no number of addresses"))?)
        }
    };
    Ok(Described { id: text("subnetId")?, zone: text("availabilityZone")?, free })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>7a62c49f</requestId>
    <subnetSet>
        <item><subnetId>subnet-1</subnetId><availableIpAddressCount>251</availableIpAddressCount>
            <availabilityZone>eu-west-1a</availabilityZone>
            <tagSet><item><key>subnetId</key><value>not this</value></item></tagSet>
            <ipv6CidrBlockAssociationSet/></item>
        <item><subnetId>subnet-2</subnetId><availableIpAddressCount>0</availableIpAddressCount>
            <availabilityZone>eu-west-1b</availabilityZone><ipv6Native>true</ipv6Native></item>
    </subnetSet>
</DescribeSubnetsResponse>"#;

    #[test]
    fn subnets_are_read_and_what_is_in_them_is_not_taken_for_one() {
        let of = |id: &str, zone: &str, free: Option<u32>| Described { id: id.to_owned(), zone: zone.to_owned(), free };
        let want = vec![of("subnet-1", "eu-west-1a", Some(251)), of("subnet-2", "eu-west-1b", None)];
        assert_eq!(subnets(ANSWER), Ok(want));
        for none in ["<subnetSet></subnetSet>", "<subnetSet/>"] {
            let answer = format!("<DescribeSubnetsResponse>{none}</DescribeSubnetsResponse>");
            assert_eq!(subnets(&answer), Ok(vec![]), "{none}");
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_no_answer() {
        assert!(subnets("<html><body>sign in</body></html>").is_err());
        assert!(subnets(&ANSWER[..300]).unwrap_err().contains("in its middle"));
        assert!(subnets(&ANSWER.replace("251", "many")).unwrap_err().contains("many"));
        assert!(subnets(&ANSWER.replace("<ipv6Native>true", "<ipv6Native>false")).is_ok());
        let lacks = |name: &str| subnets(&ANSWER.replace(name, "other")).unwrap_err();
        for name in ["subnetId", "availabilityZone", "availableIpAddressCount"] {
            assert_eq!(lacks(name), format!("a subnet has no {name}"));
        }
        let half = ANSWER.replace("</DescribeSubnetsResponse>", "<nextToken>2</nextToken></DescribeSubnetsResponse>");
        assert!(subnets(&half).unwrap_err().contains("not the whole"));
    }

    #[tokio::test]
    async fn it_is_where_the_partition_has_it() {
        let at = async |region: &str, fips: bool, dual_stack: bool, given: Option<&str>| {
            let (given, region) = (given.map(str::to_owned), region.to_owned());
            let ec2 = Ec2 { web: Web::new(true), given, region, fips, dual_stack, credentials: None };
            ec2.endpoint().await.unwrap()
        };
        assert_eq!(at("eu-west-1", false, false, None).await, "https://ec2.eu-west-1.amazonaws.com/");
        assert_eq!(at("us-east-1", true, false, None).await, "https://ec2-fips.us-east-1.amazonaws.com/");
        assert_eq!(at("us-gov-west-1", true, false, None).await, "https://ec2.us-gov-west-1.amazonaws.com/");
        assert_eq!(at("us-gov-west-1", true, true, None).await, "https://ec2-fips.us-gov-west-1.api.aws/");
        assert_eq!(at("cn-north-1", false, false, None).await, "https://ec2.cn-north-1.amazonaws.com.cn/");
        assert_eq!(at("eusc-de-east-1", false, false, None).await, "https://ec2.eusc-de-east-1.amazonaws.eu/");
        assert_eq!(at("eu-west-1", false, true, None).await, "https://ec2.eu-west-1.api.aws/");
        assert_eq!(at("eu-west-1", true, true, Some("http://127.0.0.1:1")).await, "http://127.0.0.1:1/");
    }

    #[test]
    fn an_error_is_read_with_its_code() {
        let error = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You &amp; I are not</Message></Error></Errors>\
            <RequestID>x</RequestID></Response>";
        assert_eq!(texts(error, "Code"), Ok(vec!["UnauthorizedOperation".to_owned()]));
        assert_eq!(texts(error, "Message"), Ok(vec!["You & I are not".to_owned()]));
    }
}
