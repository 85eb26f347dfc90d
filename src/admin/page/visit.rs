//! Who visits, and the one door through which every page is reached.
//!
//! It promises that no page is made for whoever may not see it, and that a change comes from a form that this process
//! made for this visitor, on a page of this port: the browser says where it came from, and the form carries a seal.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};

use super::super::Admin;
use super::super::arrival::collected;
use super::super::auth::{self, COOKIE};
use super::super::refusal::Refusal;
use super::super::session;
use super::frame::{self, Section, Surroundings};
use super::urls;
use crate::listener::browser::{self, Site};
use crate::model::Timestamp;

/// The field of every form that carries the seal.
pub(super) const SEAL: &str = "seal";
/// What is told once, on the next page.
const TOLD: &str = "klaviyo_relay_told";
/// A form's body: a call of the largest size, with every byte escaped.
const FORM_BYTES: usize = 4 << 20;

/// Somebody who may see what is asked for.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) admin: Arc<Admin>,
    /// The moment of it.
    pub(super) now: Timestamp,
    /// What the visitor's forms carry.
    pub(super) seal: String,
    /// Whether there is a session to end.
    pub(super) logged_in: bool,
    /// The path and query of this page.
    pub(super) here: String,
    /// What was done before this page was asked for, in words.
    told: Option<String>,
}

/// Why a page is not shown; shown as a page.
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

    /// A text with the e-mail addresses and phone numbers in it masked, for a list.
    pub(super) fn masked(&self, text: &str) -> String {
        if self.admin.show_personal_data {
            text.to_owned()
        } else {
            crate::operator::masked_text(text)
        }
    }
}

/// Sends a visitor on after a change; the next page says `told`.
pub(super) fn go_on(to: &str, told: &str) -> Response {
    let mut response = see_other(to);
    let told = session::hex(told.as_bytes());
    set_cookie(&mut response, &cookie(TOLD, &told, 60));
    response
}

/// Whether an address is a path of this port. A browser leaves out tabs and takes `\` for `/`, so that what looks like
/// a path may lead elsewhere.
pub(super) fn is_ours(to: &str) -> bool {
    let strange = |c: char| c.is_control() || c == '\\';
    to.starts_with('/') && !to.starts_with("//") && !to.contains(strange)
}

/// 303 to a path of this port; to anywhere else it goes to the first page.
pub(super) fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).ok().filter(|_| is_ours(to));
    let to = to.unwrap_or_else(|| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Lets a visitor in, or shows why not.
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

/// That no page has this address, with the menu and the search.
pub(super) fn no_page(admin: &Arc<Admin>, head: &Parts) -> Response {
    let main = html! { p { (Refusal::NO_PAGE.sentence()) "." } };
    let page = visit(admin, head).page("There is nothing here", Section::Nowhere, &main);
    (StatusCode::NOT_FOUND, page).into_response()
}

fn changing(head: &Parts) -> bool {
    head.method != Method::GET && head.method != Method::HEAD
}

/// The body of a form that a page of ours sent.
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

/// Whether a page of this port sent a request, as the browser says. One that says nothing is no browser of today.
pub(super) fn is_from_here(head: &Parts) -> bool {
    browser::site(head) == Site::Here
}

/// Where somebody goes who may not see a page: to log in, unless logging in would not help.
pub(super) fn turned_away(head: &Parts, refusal: &Refusal) -> Response {
    let here = path_and_query(&head.uri);
    if *refusal != Refusal::NO_TOKEN || changing(head) {
        return refused(refusal);
    }
    let site = head.headers.get("sec-fetch-site");
    if site.is_some_and(|site| site == "cross-site") {
        // A browser keeps the cookie back from who follows a link on another site; asked again by us it sends it.
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

/// A cookie that no script reads and no other site sends.
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
