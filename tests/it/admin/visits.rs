//! Who sees a page and who may send its forms: the door that every page is behind.

use std::net::SocketAddr;

use axum::Extension;
use klaviyo_relay::listener::{Peer, Trusted};

use super::{Answer, Port};
use crate::support::request_routes;

const TOKEN: &str = "a-token-of-32-random-characters!";
const PAGES: [&str; 3] = ["/", "/?over=day", "/live"];
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const FROM_HERE: (&str, &str) = ("sec-fetch-site", "same-origin");

impl Port {
    /// Sends a form as a page of this port would.
    async fn form(&self, path: &str, more: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let headers: Vec<_> = [FORM].iter().chain(more).copied().collect();
        self.request("POST", path, &headers, &body).await
    }

    /// The CSRF token in the form of a page.
    async fn csrf(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let page = self.request("GET", path, headers, "").await;
        let (_, rest) = page.text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Logs in; answers the cookie.
    async fn logged_in(&self) -> String {
        let csrf = self.csrf("/login", &[]).await;
        let fields = [("token", TOKEN), ("csrf", &*csrf), ("next", "/?over=day")];
        let answer = self.form("/login", &[FROM_HERE], &fields).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.header("location"), Some("/?over=day"));
        let cookie = answer.header("set-cookie").unwrap();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains(TOKEN), "the token itself stays out of the browser");
        cookie.split_once(';').unwrap().0.to_owned()
    }
}

#[tokio::test]
async fn a_visitor_without_a_session_logs_in_and_comes_back_to_the_page() {
    let port = Port::with_token(Some(TOKEN)).await;
    for path in PAGES {
        let answer = port.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        let query = serde_urlencoded::to_string([("next", path)]).unwrap();
        let login = format!("/login?{query}");
        assert_eq!(answer.header("location"), Some(&*login), "{path}");
    }
    let cookie = port.logged_in().await;
    let page = port.request("GET", "/", &[("cookie", &cookie)], "").await;
    assert_eq!(page.status, 200, "{page:?}");
    let bearer = format!("Bearer {TOKEN}");
    let page = port.request("GET", "/", &[("authorization", &bearer)], "").await;
    assert_eq!(page.status, 200, "a token in the head does as well");
    let api = port.request("GET", "/api/v1/status", &[("cookie", &cookie)], "").await;
    assert_eq!(api.status, 401, "the API takes the token alone");
}

#[tokio::test]
async fn a_wrong_token_or_a_made_up_session_opens_nothing() {
    let port = Port::with_token(Some(TOKEN)).await;
    let csrf = port.csrf("/login", &[]).await;
    for token in ["", "wrong", "a-token-of-32-random-characters?"] {
        let fields = [("token", token), ("csrf", &*csrf)];
        let answer = port.form("/login", &[FROM_HERE], &fields).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.text.contains("This is not the token"), "{answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let cookie = port.logged_in().await;
    let (name, session) = cookie.split_once('=').unwrap();
    let (ends, mac) = session.split_once('.').unwrap();
    for made_up in [
        TOKEN.to_owned(),
        format!("9{ends}.{mac}"),
        format!("{ends}."),
        String::new(),
    ] {
        let cookie = format!("{name}={made_up}");
        let answer = port.request("GET", "/", &[("cookie", &cookie)], "").await;
        assert_eq!(answer.status, 303, "{made_up}");
    }
}

#[tokio::test]
async fn who_guesses_tokens_has_to_wait_and_the_right_one_is_taken_all_the_same() {
    let port = Port::with_token(Some(TOKEN)).await;
    let csrf = port.csrf("/login", &[]).await;
    let shown = async |token: &str| {
        let fields = [("token", token), ("csrf", &*csrf)];
        port.form("/login", &[FROM_HERE], &fields).await
    };
    for _ in 0..20 {
        assert_eq!(shown("wrong").await.status, 401);
    }
    assert_eq!(shown("wrong").await.status, 429);
    assert_eq!(shown(TOKEN).await.status, 303);
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        port.request("GET", "/api/v1/status", &headers, "").await
    };
    assert_eq!(ask(TOKEN).await.status, 200);
    let answer = ask("wrong").await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (429, &"too_many_tokens".into())
    );
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
}

#[tokio::test]
async fn behind_a_trusted_proxy_nobody_waits_for_the_guesses_of_others() {
    let port = Port::with_token(Some(TOKEN)).await;
    let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap()]);
    let ask = async |proxy: &str, client: &str| {
        let peer = Peer::new(SocketAddr::new(proxy.parse().unwrap(), 1), trusted.clone());
        let routes = port.routes.clone().layer(Extension(peer));
        let headers = [("authorization", "Bearer wrong"), ("x-forwarded-for", client)];
        let (status, ..) = request_routes(&routes, "GET", "/api/v1/status", &headers, "").await;
        status
    };
    for _ in 0..20 {
        assert_eq!(ask("10.0.0.1", "192.0.2.1").await, 401);
        assert_eq!(ask("198.51.100.1", "192.0.2.2").await, 401);
    }
    assert_eq!(ask("10.0.0.1", "192.0.2.1").await, 429);
    assert_eq!(ask("10.0.0.1", "192.0.2.2").await, 401, "another client");
    assert_eq!(ask("198.51.100.1", "192.0.2.3").await, 429, "no proxy of ours");
}

#[tokio::test]
async fn after_logging_in_nobody_is_sent_elsewhere() {
    let port = Port::with_token(Some(TOKEN)).await;
    let csrf = port.csrf("/login", &[]).await;
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "",
    ] {
        let fields = [("token", TOKEN), ("csrf", &*csrf), ("next", next)];
        let answer = port.form("/login", &[FROM_HERE], &fields).await;
        assert_eq!(answer.header("location"), Some("/"), "{next:?}");
    }
}

#[tokio::test]
async fn a_form_of_another_site_or_without_its_csrf_token_changes_nothing() {
    let port = Port::with_token(Some(TOKEN)).await;
    let cookie = port.logged_in().await;
    let cookie = ("cookie", cookie.as_str());
    let csrf = port.csrf("/", &[cookie]).await;
    let right = [("csrf", csrf.as_str())];
    let host = ("host", "127.0.0.1:8081");
    let refused: [(&[_], &[_]); 7] = [
        (&[cookie, FROM_HERE], &[]),
        (&[cookie, FROM_HERE], &[("csrf", "0")]),
        (&[cookie], &right),
        (&[cookie, ("sec-fetch-site", "cross-site")], &right),
        (&[cookie, ("sec-fetch-site", "same-site")], &right),
        (&[cookie, host, ("origin", "http://evil.example")], &right),
        (&[cookie, host, ("origin", "null")], &right),
    ];
    for (headers, fields) in refused {
        let answer = port.form("/logout", headers, fields).await;
        assert_eq!(answer.status, 403, "{headers:?} {fields:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let of_nobody = port.csrf("/login", &[]).await;
    let answer = port
        .form("/logout", &[cookie, FROM_HERE], &[("csrf", &of_nobody)])
        .await;
    assert_eq!(answer.status, 403, "a CSRF token is of one session");
    let again = port.logged_in().await;
    let again = ("cookie", again.as_str());
    let its_own = port.csrf("/", &[again]).await;
    for (from_here, csrf) in [
        (&[cookie, FROM_HERE][..], &csrf),
        (&[again, host, ("origin", "http://127.0.0.1:8081")], &its_own),
    ] {
        let right = [("csrf", csrf.as_str())];
        let answer = port.form("/logout", from_here, &right).await;
        assert_eq!(answer.status, 303, "{from_here:?}");
        assert!(answer.header("set-cookie").unwrap().starts_with("klaviyo_relay=; "));
    }
}

#[tokio::test]
async fn a_session_that_was_ended_shows_nothing_any_more() {
    let port = Port::with_token(Some(TOKEN)).await;
    let (one, other) = (port.logged_in().await, port.logged_in().await);
    assert_ne!(one, other, "each is its own");
    let (one, other) = (("cookie", &*one), ("cookie", &*other));
    let csrf = port.csrf("/", &[one]).await;
    let answer = port.form("/logout", &[one, FROM_HERE], &[("csrf", &csrf)]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    for (cookie, status) in [(one, 303), (other, 200)] {
        let answer = port.request("GET", "/?over=day", &[cookie], "").await;
        assert_eq!(answer.status, status, "{cookie:?}");
    }
}

#[tokio::test]
async fn a_session_that_began_over_https_is_never_sent_without() {
    let port = Port::with_token(Some(TOKEN)).await;
    let csrf = port.csrf("/login", &[]).await;
    let fields = [("token", TOKEN), ("csrf", &*csrf)];
    for (origin, secure) in [("https://relay.example", true), ("http://relay.example", false)] {
        let headers = [("host", "relay.example"), ("origin", origin), FROM_HERE];
        let answer = port.form("/login", &headers, &fields).await;
        let cookie = answer.header("set-cookie").unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{origin}: {cookie}");
    }
}

#[tokio::test]
async fn a_link_on_another_site_leads_in_without_logging_in_again() {
    let port = Port::with_token(Some(TOKEN)).await;
    let headers = [("sec-fetch-site", "cross-site")];
    let answer = port.request("GET", "/?over=day", &headers, "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("content=\"0;url=/?over=day\""));
    assert!(!answer.text.contains("Waiting"), "it shows nothing");
    let headers = [("sec-fetch-site", "same-origin")];
    let answer = port.request("GET", "/?over=day", &headers, "").await;
    assert_eq!(answer.status, 303, "redirected to the log-in: no session");
}

#[tokio::test]
async fn without_a_token_no_page_is_shown_by_another_name() {
    let port = Port::new().await;
    let answer = port.request("GET", "/", &[("host", "evil.example:8081")], "").await;
    assert_eq!(answer.status, 421);
    let answer = port.request("GET", "/", &[("host", "localhost:8081")], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(port.get("/login").await.header("location"), Some("/"));
}

#[tokio::test]
async fn a_page_may_load_what_this_port_serves_and_nothing_else() {
    let port = Port::new().await;
    let page = port.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(!page.text.contains("style=\"") && !page.text.contains("://www."));
    let assets = page.text.split('"').filter(|part| part.starts_with("/assets/"));
    let mut count = 0;
    for asset in assets {
        let answer = port.get(asset).await;
        assert_eq!(answer.status, 200, "{asset}");
        let kept = answer.header("cache-control").unwrap();
        assert!(kept.contains("immutable"), "{kept}");
        count += 1;
    }
    assert!(count >= 3);
    assert_eq!(port.get("/assets/page-00000000.css").await.status, 404);
    let headers = [("accept", "text/html,*/*")];
    let nowhere = port.request("GET", "/nowhere", &headers, "").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.header("content-type").unwrap().starts_with("text/html"));
}
