//! Login with the token, and logout.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::frame;
use super::request::{self, CSRF};
use crate::admin::Admin;
use crate::admin::arrival::collected;
use crate::admin::auth::{self, COOKIE};
use crate::admin::refusal::Refusal;
use crate::admin::session;

/// The size limit of the form: a token and a page's address.
const FORM_BYTES: usize = 64 << 10;

/// The page to open after the login.
#[derive(Debug, Default, Deserialize)]
struct LoginQuery {
    #[serde(default)]
    next: String,
}

/// The fields of the form.
#[derive(Debug, Deserialize)]
struct LoginForm {
    token: String,
    #[serde(default)]
    next: String,
    csrf: String,
}

/// The form.
pub(super) async fn form(State(admin): State<Arc<Admin>>, uri: Uri) -> Response {
    let query: LoginQuery = Query::try_from_uri(&uri).map_or_else(|_| LoginQuery::default(), |Query(query)| query);
    if !admin.auth.requires_token() {
        return request::see_other("/");
    }
    Html(page(&admin, &query.next, None).into_string()).into_response()
}

/// Checks the token and starts a session.
pub(super) async fn log_in(State(admin): State<Arc<Admin>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !request::is_from_this_port(&head) {
        return request::refused(&Refusal::OTHER_SITE);
    }
    let body = match collected(body, FORM_BYTES).await {
        Ok(body) => body,
        Err(refusal) => return request::refused(&refusal),
    };
    let form: Result<LoginForm, _> = serde_urlencoded::from_bytes(&body);
    let known = |form: &LoginForm| session::constant_time_eq(&form.csrf, &admin.auth.csrf_token(""));
    let Some(form) = form.ok().filter(known) else {
        return request::refused(&Refusal::OLD_FORM);
    };
    match admin.auth.log_in(form.token.trim(), &head, &*admin.clock) {
        Ok(session) => {
            let mut response = request::see_other(&form.next);
            let lasts = session::LASTS.as_secs();
            let mut cookie = request::cookie(COOKIE, &session, lasts);
            if is_https(&head) {
                cookie.push_str("; Secure");
            }
            request::set_cookie(&mut response, &cookie);
            response
        }
        Err(refusal) => {
            let words = match refusal.status() {
                StatusCode::UNAUTHORIZED => "This is not the token. It is in [admin] token of the configuration.",
                _ => "Too many wrong tokens came from your address. Wait a minute.",
            };
            let page = page(&admin, &form.next, Some(words));
            (refusal.status(), Html(page.into_string())).into_response()
        }
    }
}

/// Whether the browser loaded the page by https. This port serves plain HTTP; behind a TLS proxy only the `Origin`
/// header of each form shows the scheme.
fn is_https(head: &Parts) -> bool {
    let origin = head.headers.get(header::ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Ends the session, here and in the browser.
pub(super) async fn log_out(State(admin): State<Arc<Admin>>, head: Parts) -> Response {
    if let Some(session) = auth::cookie(&head.headers, COOKIE) {
        admin.auth.log_out(session, admin.clock.now());
    }
    let mut response = request::see_other("/login");
    request::set_cookie(&mut response, &request::cookie(COOKIE, "", 0));
    response
}

fn page(admin: &Admin, next: &str, wrong: Option<&str>) -> Markup {
    let main = html! {
        form.login method="post" action="/login" {
            @if let Some(words) = wrong { p.note.bad role="alert" { (words) } }
            input type="hidden" name=(CSRF) value=(admin.auth.csrf_token(""));
            input type="hidden" name="next" value=(next);
            // For password managers.
            input type="hidden" name="username" value="operator" autocomplete="username";
            label for="token" { "Token" }
            input #token type="password" name="token" autocomplete="current-password" required autofocus;
            p.hint { "The value of " code { "[admin] token" } " in the relay's configuration." }
            button.primary { "Log in" }
        }
    };
    frame::bare("Log in", &main, None)
}
