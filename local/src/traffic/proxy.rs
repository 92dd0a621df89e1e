//! One request through a load balancer: drawn by the model, carried over real connections, counted.

use crate::http::{Body, full, text_header};
use crate::inner::Inner;
use crate::lock;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use model::{Answered, RequestHead, Route, StickyCookie};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// ALB's default idle timeout: a target that says nothing for this long is a 504.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// ALB's own name for the target-group cookie; its value is opaque there and the group's ARN here.
const GROUP_COOKIE: &str = "AWSALBTG";

/// Headers that belong to one connection only.
const HOP_BY_HOP: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

pub(crate) async fn forward(
    inner: Arc<Inner>,
    listener_arn: Arc<str>,
    asked: u16,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    match draw(&inner, &listener_arn, &request, peer) {
        Route::Forward { load_balancer_arn, target_group_arn, target_id, port, sticky_cookie } => {
            let Some(target) = inner.servers.real(&target_id, port) else {
                inner.remark(format!("502: target {target_id} of {target_group_arn} has no address"));
                return own(&inner, load_balancer_arn, Some((target_group_arn, target_id)), 502);
            };
            let outward = outward(request, target, asked, peer);
            let sent = inner.clock.now();
            let answered = tokio::time::timeout(IDLE_TIMEOUT, inner.client.request(outward)).await;
            let latency_ms = inner.clock.now() - sent;
            let drawn = (target_group_arn, target_id);
            match answered {
                Ok(Ok(response)) => {
                    let answered = Answered {
                        load_balancer_arn,
                        target_group_arn: Some(drawn.0),
                        target_id: Some(drawn.1),
                        status: response.status().as_u16(),
                        latency_ms,
                        elb_generated: false,
                        connection_error: false,
                    };
                    record(&inner, answered);
                    inward(response, sticky_cookie)
                }
                Ok(Err(error)) => {
                    let answered = refused(load_balancer_arn, drawn, 502, error.is_connect());
                    let why = anyhow::Error::new(error);
                    inner.remark(format!("502 after {latency_ms} ms: target {target}: {why:#}"));
                    record(&inner, answered);
                    page(502)
                }
                Err(_) => own(&inner, load_balancer_arn, Some(drawn), 504),
            }
        }
        Route::NoTarget { status, load_balancer_arn, target_group_arn } => {
            let mut answered = refused(load_balancer_arn, (target_group_arn, String::new()), status, false);
            answered.target_id = None;
            record(&inner, answered);
            page(status)
        }
        Route::Fixed { load_balancer_arn, status, content_type, body } => {
            count_own(&inner, load_balancer_arn, status);
            let mut response = page(status);
            *response.body_mut() = full(body);
            set(response.headers_mut(), header::CONTENT_TYPE, &content_type);
            response
        }
        Route::Redirect { load_balancer_arn, location, status } => {
            count_own(&inner, load_balancer_arn, status);
            let mut response = page(status);
            set(response.headers_mut(), header::LOCATION, &location);
            response
        }
        Route::NoListener => page(503),
    }
}

fn draw(inner: &Inner, listener_arn: &str, request: &Request<Incoming>, peer: SocketAddr) -> Route {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let source_ip = peer.ip().to_string();
    let cookies = text_header(request.headers(), "cookie").unwrap_or_default();
    let head = RequestHead {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        host: text_header(request.headers(), "host").unwrap_or_default(),
        headers: &headers,
        source_ip: &source_ip,
        sticky: cookie(cookies, GROUP_COOKIE),
    };
    lock(&inner.world).route(listener_arn, &head, inner.clock.now())
}

fn outward(request: Request<Incoming>, target: SocketAddr, asked: u16, peer: SocketAddr) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut uri = Uri::builder().scheme(Scheme::HTTP).path_and_query(path);
    if let Ok(authority) = Authority::try_from(target.to_string()) {
        uri = uri.authority(authority);
    }
    parts.uri = uri.build().unwrap_or_default();
    parts.version = Version::HTTP_11;
    for name in HOP_BY_HOP {
        parts.headers.remove(*name);
    }
    let address = peer.ip().to_string();
    let chain = match text_header(&parts.headers, "x-forwarded-for") {
        Some(before) => format!("{before}, {address}"),
        None => address,
    };
    set(&mut parts.headers, HeaderName::from_static("x-forwarded-for"), &chain);
    set(&mut parts.headers, HeaderName::from_static("x-forwarded-proto"), "http");
    set(&mut parts.headers, HeaderName::from_static("x-forwarded-port"), &asked.to_string());
    Request::from_parts(parts, body.boxed())
}

fn inward(response: Response<Incoming>, sticky: Option<StickyCookie>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    for name in HOP_BY_HOP {
        parts.headers.remove(*name);
    }
    if let Some(sticky) = sticky {
        let value = format!("{GROUP_COOKIE}={}; Max-Age={}; Path=/", sticky.target_group_arn, sticky.duration_seconds);
        if let Ok(value) = HeaderValue::from_str(&value) {
            parts.headers.append(header::SET_COOKIE, value);
        }
    }
    Response::from_parts(parts, body.boxed())
}

/// Counted before the answer leaves: whoever has the answer finds it in the load balancer's count.
fn record(inner: &Inner, answered: Answered) {
    let group = answered.target_group_arn.as_deref();
    inner.balancers.count(&answered.load_balancer_arn, group, answered.status, answered.elb_generated);
    lock(&inner.world).record(answered, inner.clock.now());
}

fn refused(load_balancer_arn: String, drawn: (String, String), status: u16, connection_error: bool) -> Answered {
    Answered {
        load_balancer_arn,
        target_group_arn: Some(drawn.0),
        target_id: Some(drawn.1),
        status,
        latency_ms: 0,
        elb_generated: true,
        connection_error,
    }
}

fn own(inner: &Inner, load_balancer_arn: String, drawn: Option<(String, String)>, status: u16) -> Response<Body> {
    match drawn {
        Some(drawn) => record(inner, refused(load_balancer_arn, drawn, status, status == 502)),
        None => count_own(inner, load_balancer_arn, status),
    }
    page(status)
}

fn count_own(inner: &Inner, load_balancer_arn: String, status: u16) {
    let mut answered = refused(load_balancer_arn, (String::new(), String::new()), status, false);
    (answered.target_group_arn, answered.target_id) = (None, None);
    record(inner, answered);
}

fn page(status: u16) -> Response<Body> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = Response::new(full(format!("{code}\n")));
    *response.status_mut() = code;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn cookie<'a>(cookies: &'a str, name: &str) -> Option<&'a str> {
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_cookie_is_found_among_others() {
        let header = "a=b; AWSALBTG=arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/g/1; c=d";
        let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/g/1";
        assert_eq!(cookie(header, GROUP_COOKIE), Some(group));
        assert_eq!(cookie("XAWSALBTG=1", GROUP_COOKIE), None);
    }
}
