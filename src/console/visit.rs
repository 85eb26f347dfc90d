//! A page request by an authorized visitor, and the guard that all pages are behind.
//!
//! It promises that no page is rendered for a visitor without access, and that a change comes from a form that this
//! process made for this visitor, on a page of this port: the browser reports the origin, and the form carries a CSRF
//! token.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};

use super::frame::{self, Section, Surroundings};
use super::urls;
use crate::admin::Admin;
use crate::admin::arrival::collected;
use crate::admin::auth::{self, COOKIE};
use crate::admin::refusal::Refusal;
use crate::admin::session;
use crate::listener::browser::{self, Site};
use crate::model::Timestamp;

/// The form field with the CSRF token.
pub(super) const SEAL: &str = "seal";
/// The cookie with a message that the next page shows once.
const TOLD: &str = "klaviyo_relay_told";
/// The size limit of a form: a call of the largest size, with every byte escaped.
const FORM_BYTES: usize = 4 << 20;

/// An authorized visitor.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) admin: Arc<Admin>,
    /// The time of the request.
    pub(super) now: Timestamp,
    /// The CSRF token for the visitor's forms.
    pub(super) seal: String,
    /// Whether there is a session to end.
    pub(super) logged_in: bool,
    /// The path and query of this page.
    pub(super) here: String,
    /// The result of the change that led to this page, as text.
    told: Option<String>,
}

/// Why a page is not shown; rendered as a page.
pub(super) struct Wrong(Refusal);

pub(super) type Answer = Result<Response, Wrong>;

impl<T: Into<Refusal>> From<T> for Wrong {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        refused(&self.0)
    }
}

impl Visit {
    /// A page in its frame.
    pub(super) fn page(&self, title: &str, section: Section, main: &Markup) -> Response {
        let told = self.told.as_deref();
        let around = Surroundings {
            in_program: self.admin.sandbox.is_some(),
            sandbox: self.admin.goes_to_sandbox(),
            logout: self.logged_in.then(|| self.sealed()),
        };
        let page = frame::document(title, section, &around, told, main);
        let mut response = Html(page.into_string()).into_response();
        if told.is_some() {
            set_cookie(&mut response, &cookie(TOLD, "", 0));
        }
        response
    }

    /// The fields that every form has.
    pub(super) fn sealed(&self) -> Markup {
        html! { input type="hidden" name=(SEAL) value=(self.seal); }
    }

    /// A text with its e-mail addresses and phone numbers masked, for a list.
    pub(super) fn masked(&self, text: &str) -> String {
        if self.admin.show_personal_data {
            text.to_owned()
        } else {
            crate::operator::masked_text(text)
        }
    }
}

/// Redirects after a change; the next page shows `told`.
pub(super) fn go_on(to: &str, told: &str) -> Response {
    let mut response = see_other(to);
    let told = session::hex(told.as_bytes());
    set_cookie(&mut response, &cookie(TOLD, &told, 60));
    response
}

/// Whether an address is a path of this port. A browser removes tabs and treats `\` as `/`, so that an address that
/// looks like a path may lead to another host.
pub(super) fn is_ours(to: &str) -> bool {
    let strange = |c: char| c.is_control() || c == '\\';
    to.starts_with('/') && !to.starts_with("//") && !to.contains(strange)
}

/// 303 to a path of this port; any other address is replaced by the first page.
pub(super) fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).ok().filter(|_| is_ours(to));
    let to = to.unwrap_or_else(|| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Admits an authorized visitor, or shows why access is refused.
pub(super) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    if let Err(refusal) = admin.access.check_visit(&head, &*admin.clock) {
        return turned_away(&head, &refusal);
    }
    let visit = visit(&admin, &head);
    let body = if changing(&head) {
        match sealed(&head, body, &visit.seal).await {
            Ok(body) => Body::from(body),
            Err(refusal) => return refused(&refusal),
        }
    } else {
        body
    };
    head.extensions.insert(visit);
    next.run(Request::from_parts(head, body)).await
}

fn visit(admin: &Arc<Admin>, head: &Parts) -> Visit {
    let session = auth::cookie(&head.headers, COOKIE).filter(|_| admin.access.asks_for_a_token());
    let told = auth::cookie(&head.headers, TOLD).and_then(unhex);
    Visit {
        admin: Arc::clone(admin),
        now: admin.clock.now(),
        seal: admin.access.form(session.unwrap_or_default()),
        logged_in: session.is_some(),
        here: path_and_query(&head.uri),
        told,
    }
}

/// The page for an unknown address, with navigation and search.
pub(super) fn no_page(admin: &Arc<Admin>, head: &Parts) -> Response {
    let main = html! { p { (Refusal::NO_PAGE.sentence()) "." } };
    let page = visit(admin, head).page("There is nothing here", Section::Nowhere, &main);
    (StatusCode::NOT_FOUND, page).into_response()
}

fn changing(head: &Parts) -> bool {
    head.method != Method::GET && head.method != Method::HEAD
}

/// The body of a form that a page of this port sent.
async fn sealed(head: &Parts, body: Body, seal: &str) -> Result<Bytes, Refusal> {
    if !is_from_here(head) {
        return Err(Refusal::OTHER_SITE);
    }
    let body = collected(body, FORM_BYTES).await?;
    let shown = form_value(&body, SEAL);
    if !shown.is_some_and(|shown| session::same(&shown, seal)) {
        return Err(Refusal::OLD_FORM);
    }
    Ok(body)
}

/// The value of a field of a form.
fn form_value(body: &[u8], name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let mut pairs = pairs.into_iter();
    pairs.find_map(|(known, value)| (known == name).then_some(value))
}

/// Whether a page of this port sent the request, as the browser reports it. Every current browser reports it.
pub(super) fn is_from_here(head: &Parts) -> bool {
    browser::site(head) == Site::Here
}

/// Redirects a visitor without access to the login, unless a login would not help.
pub(super) fn turned_away(head: &Parts, refusal: &Refusal) -> Response {
    let here = path_and_query(&head.uri);
    if *refusal != Refusal::NO_TOKEN || changing(head) {
        return refused(refusal);
    }
    let site = head.headers.get("sec-fetch-site");
    if site.is_some_and(|site| site == "cross-site") {
        // A browser omits the cookie when a link on another site is followed; a second request, from our page, has it.
        let page = frame::bare("One moment", &html! { p { a href=(here) { "Go on" } } }, Some(&here));
        return Html(page.into_string()).into_response();
    }
    see_other(&urls::login(&here))
}

/// A refusal as a page.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let main = html! {
        p { (refusal.sentence()) "." }
        p { a href="/" { "To the overview" } }
    };
    let title = match refusal.status() {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => "That failed",
        _ => "That cannot be done",
    };
    let page = frame::bare(title, &main, None);
    (refusal.status(), Html(page.into_string())).into_response()
}

fn path_and_query(uri: &Uri) -> String {
    let whole = uri.path_and_query();
    whole.map_or_else(|| "/".to_owned(), ToString::to_string)
}

/// A cookie that scripts cannot read and other sites do not send.
pub(super) fn cookie(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict")
}

pub(super) fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn unhex(text: &str) -> Option<String> {
    let bytes = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    String::from_utf8(bytes?).ok().filter(|text| !text.is_empty())
}
