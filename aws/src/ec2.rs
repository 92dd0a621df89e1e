//! Amazon EC2 without its SDK, which is larger than all the others together: one call, signed and read here.

use std::time::{Duration, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use quick_xml::Reader;
use quick_xml::events::Event;
use shared::ports::Clock;

use crate::clients::{Web, WebAnswer};
use crate::clock::SystemClock;
use crate::errors::{Failure, chain};

/// The API's version (its reference).
const VERSION: &str = "2016-11-15";
const CONTENT: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// Speaks EC2's Query protocol, over the same TLS stack as the SDK.
#[derive(Clone, Debug)]
pub(crate) struct Ec2 {
    web: Web,
    endpoint: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
}

/// A subnet as DescribeSubnets shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) free: u32,
}

impl Ec2 {
    pub(crate) fn new(config: &SdkConfig, web: Web) -> Ec2 {
        let region = config.region().map(|region| region.as_ref().to_owned()).unwrap_or_default();
        let fips = if config.use_fips() == Some(true) { "-fips" } else { "" };
        let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = || format!("https://ec2{fips}.{region}.{end}");
        let endpoint = config.endpoint_url().map_or_else(own, str::to_owned);
        let endpoint = format!("{}/", endpoint.trim_end_matches('/'));
        Ec2 { web, endpoint, region, credentials: config.credentials_provider() }
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
        let mut headers = vec![(CONTENT.0.to_owned(), CONTENT.1.to_owned())];
        headers.extend(self.signature(&body).await.map_err(|why| Failure::unsent(call, why))?);
        let sent = self.web.post(&self.endpoint, &headers, body, TIMEOUT).await;
        match sent.map_err(|why| Failure::unsent(call, why))? {
            WebAnswer { status: 200, body, .. } => Ok(body),
            WebAnswer { status, body, .. } => {
                let text = |name: &str| texts(&body, name).ok()?.into_iter().next();
                let (code, message) = (text("Code").unwrap_or_default(), text("Message").unwrap_or_default());
                Err(Failure::said(call, &code, &message, status))
            }
        }
    }

    /// The headers that sign a form.
    async fn signature(&self, body: &str) -> Result<Vec<(String, String)>, String> {
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
        let request = SignableRequest::new("POST", self.endpoint.as_str(), [CONTENT].into_iter(), body);
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
    let (mut found, mut one, mut wrong) = (Vec::new(), Described::default(), None);
    let mut ours = false;
    walk(xml, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        ours |= path == ITEM[..2];
        match path.as_slice() {
            [a, b, c, name] if [*a, *b, *c] == ITEM => match *name {
                "subnetId" => text.clone_into(&mut one.id),
                "availabilityZone" => text.clone_into(&mut one.zone),
                "availableIpAddressCount" => match text.parse() {
                    Ok(free) => one.free = free,
                    Err(_) => wrong = Some(format!("{text} is no number of addresses")),
                },
                _ => {}
            },
            path if path == ITEM => found.push(std::mem::take(&mut one)),
            _ => {}
        }
    })?;
    match wrong {
        Some(wrong) => Err(wrong),
        None if !ours => Err("the answer has no subnets in it, not even none".to_owned()),
        None => Ok(found),
    }
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
            <availabilityZone>eu-west-1b</availabilityZone></item>
    </subnetSet>
</DescribeSubnetsResponse>"#;

    #[test]
    fn subnets_are_read_and_what_is_in_them_is_not_taken_for_one() {
        let of = |id: &str, zone: &str, free: u32| Described { id: id.to_owned(), zone: zone.to_owned(), free };
        let want = vec![of("subnet-1", "eu-west-1a", 251), of("subnet-2", "eu-west-1b", 0)];
        assert_eq!(subnets(ANSWER), Ok(want));
        let none = "<DescribeSubnetsResponse><subnetSet></subnetSet></DescribeSubnetsResponse>";
        assert_eq!(subnets(none), Ok(vec![]));
    }

    #[test]
    fn an_answer_of_another_kind_is_no_answer() {
        assert!(subnets("<html><body>sign in</body></html>").is_err());
        assert!(subnets(&ANSWER[..300]).unwrap_err().contains("in its middle"));
        assert!(subnets(&ANSWER.replace("251", "many")).unwrap_err().contains("many"));
    }

    #[test]
    fn an_error_is_read_with_its_code() {
        let error = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You &amp; I are not</Message></Error></Errors>\
            <RequestID>x</RequestID></Response>";
        assert_eq!(texts(error, "Code"), Ok(vec!["UnauthorizedOperation".to_owned()]));
        assert_eq!(texts(error, "Message"), Ok(vec!["You & I are not".to_owned()]));
    }
}
