//! Who may ask: a page elsewhere must not drive a server on this machine.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use crate::refusal::{Answer, Refusal};

/// The cookie that holds the token.
const COOKIE: &str = "vae-token";
/// What a browser may load for the page: what the server itself gives.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Where the server is, and what it asks for.
#[derive(Clone)]
pub struct Guard {
    /// Where it listens.
    pub address: SocketAddr,
    /// What has to be shown, where others than this machine can ask.
    pub token: Option<String>,
}

impl Guard {
    /// Lets a request through, or answers it.
    pub async fn watch(State(guard): State<Self>, request: Request, next: Next) -> Response {
        let mut response = match guard.check(&request) {
            Err(refusal) => refusal.into_response(),
            Ok(Some(entry)) => entry,
            Ok(None) => next.run(request).await,
        };
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
            (
                HeaderName::from_static("cross-origin-resource-policy"),
                "same-origin",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// An answer where the request is one to enter.
    fn check(&self, request: &Request) -> Answer<Option<Response>> {
        let headers = request.headers();
        let host = self.host(headers)?;
        let forbidden = |why: String| Refusal::of(StatusCode::FORBIDDEN, why);
        if let Some(origin) = text(headers, &header::ORIGIN)
            && !origin.eq_ignore_ascii_case(&format!("http://{host}"))
        {
            return Err(forbidden(format!(
                "a page of {origin} may not ask this server"
            )));
        }
        let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
        let mode = text(headers, &HeaderName::from_static("sec-fetch-mode"));
        let is_foreign = matches!(site, Some("cross-site" | "same-site"));
        // A link may lead here.
        if is_foreign && !(mode == Some("navigate") && request.uri().path() == "/") {
            return Err(forbidden(
                "a page elsewhere may not ask this server".to_owned(),
            ));
        }
        self.check_token(request)
    }

    /// The name that the server was asked by; a name of another machine may lead to this one.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Answer<&'a str> {
        let host = text(headers, &header::HOST)
            .ok_or_else(|| Refusal::bad("the header Host is missing"))?;
        let port = self.address.port();
        let (name, given) = match host.rsplit_once(':') {
            Some((name, given)) if !given.contains(']') => (name, given.parse().ok()),
            _ => (host, Some(80)),
        };
        let name = name.trim_matches(['[', ']']);
        let is_loopback = name.eq_ignore_ascii_case("localhost")
            || name
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let is_own = name
            .parse::<IpAddr>()
            .is_ok_and(|address| address == self.address.ip());
        // Whoever has the token may call the machine by any name.
        match (is_loopback || is_own || self.token.is_some()) && given == Some(port) {
            true => Ok(host),
            false => Err(Refusal::of(
                StatusCode::MISDIRECTED_REQUEST,
                format!("this server is http://{}, and not {host}", self.address),
            )),
        }
    }

    fn check_token(&self, request: &Request) -> Answer<Option<Response>> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let headers = request.headers();
        let bearer =
            text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let cookies = text(headers, &header::COOKIE).unwrap_or_default();
        let mut cookies = cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='));
        let cookie = cookies
            .find(|(name, _)| *name == COOKIE)
            .map(|(_, value)| value);
        if [bearer, cookie]
            .into_iter()
            .flatten()
            .any(|shown| is_same(shown, token))
        {
            return Ok(None);
        }
        let query = request.uri().query().unwrap_or_default();
        let shown = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("token="));
        if request.uri().path() == "/" && shown.is_some_and(|shown| is_same(shown, token)) {
            let mut response = Redirect::to("/").into_response();
            let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/");
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            return Ok(Some(response));
        }
        Err(Refusal::of(
            StatusCode::UNAUTHORIZED,
            "open the address that `vae explore` printed: it holds the token",
        ))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// In a time that does not tell where they differ.
fn is_same(a: &str, b: &str) -> bool {
    let different = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && different == 0
}
