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
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use maud::{Markup, html};

use super::frame::{self, FrameContext, Section};
use super::urls;
use crate::admin::Admin;
use crate::admin::arrival::collected;
use crate::admin::auth::{self, COOKIE};
use crate::admin::refusal::Refusal;
use crate::admin::session;
use crate::listener::browser::{self, Site};
use crate::model::{Timestamp, masked_text};

/// The form field with the CSRF token.
pub(super) const CSRF: &str = "csrf";
/// The cookie with a message that the next page shows once.
const FLASH: &str = "klaviyo_relay_flash";
/// The size limit of a form: a call of the largest size, with every byte escaped.
const FORM_BYTES: usize = 4 << 20;

/// The request of an authorized visitor for a page.
#[derive(Clone)]
pub(super) struct PageRequest {
    pub(super) admin: Arc<Admin>,
    /// The time of the request.
    pub(super) now: Timestamp,
    /// The CSRF token for the visitor's forms.
    pub(super) csrf: String,
    /// Whether there is a session to end.
    pub(super) logged_in: bool,
    /// The path and query of this page.
    pub(super) here: String,
    /// The result of the change that led to this page, as text.
    flash: Option<String>,
}

/// Why a page is not shown; rendered as a page.
pub(super) struct PageError(Refusal);

pub(super) type Answer = Result<Response, PageError>;

impl<T: Into<Refusal>> From<T> for PageError {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        refused(&self.0)
    }
}

impl PageRequest {
    fn of(admin: &Arc<Admin>, head: &Parts) -> Self {
        let session = auth::cookie(&head.headers, COOKIE).filter(|_| admin.auth.requires_token());
        let flash = auth::cookie(&head.headers, FLASH).filter(|flash| !flash.is_empty());
        let flash = flash.and_then(|flash| BASE64_URL_SAFE_NO_PAD.decode(flash).ok());
        Self {
            admin: Arc::clone(admin),
            now: admin.clock.now(),
            csrf: admin.auth.csrf_token(session.unwrap_or_default()),
            logged_in: session.is_some(),
            here: path_and_query(&head.uri),
            flash: flash.and_then(|flash| String::from_utf8(flash).ok()),
        }
    }

    /// A page in its frame.
    pub(super) fn page(&self, title: &str, section: Section, main: &Markup) -> Response {
        let flash = self.flash.as_deref();
        let context = FrameContext {
            in_program: self.admin.sandbox.is_some(),
            sandbox: self.admin.goes_to_sandbox(),
            logout: self.logged_in.then(|| self.csrf_field()),
        };
        let page = frame::document(title, section, &context, flash, main);
        let mut response = Html(page.into_string()).into_response();
        if flash.is_some() {
            set_cookie(&mut response, &cookie(FLASH, "", 0));
        }
        response
    }

    /// The fields that every form has.
    pub(super) fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name=(CSRF) value=(self.csrf); }
    }

    /// A text with its e-mail addresses and phone numbers masked, for a list.
    pub(super) fn masked(&self, text: &str) -> String {
        if self.admin.show_personal_data {
            text.to_owned()
        } else {
            masked_text(text)
        }
    }
}

/// Redirects after a change; the next page shows `flash`.
pub(super) fn redirect_with_flash(to: &str, flash: &str) -> Response {
    let mut response = see_other(to);
    let flash = BASE64_URL_SAFE_NO_PAD.encode(flash);
    set_cookie(&mut response, &cookie(FLASH, &flash, 60));
    response
}

/// Whether an address is a path of this port. A browser removes tabs and treats `\` as `/`, so that an address that
/// looks like a path may lead to another host.
pub(super) fn is_own_path(to: &str) -> bool {
    let strange = |c: char| c.is_control() || c == '\\';
    to.starts_with('/') && !to.starts_with("//") && !to.contains(strange)
}

/// 303 to a path of this port; any other address is replaced by the first page.
pub(super) fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).ok().filter(|_| is_own_path(to));
    let to = to.unwrap_or_else(|| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Admits an authorized visitor, or shows why access is refused.
pub(super) async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    if let Err(refusal) = admin.auth.check_page(&head, &*admin.clock) {
        return reject(&head, &refusal);
    }
    let request = PageRequest::of(&admin, &head);
    let body = if is_change(&head) {
        match checked_form(&head, body, &request.csrf).await {
            Ok(body) => Body::from(body),
            Err(refusal) => return refused(&refusal),
        }
    } else {
        body
    };
    head.extensions.insert(request);
    next.run(Request::from_parts(head, body)).await
}

/// The page for an unknown address, with navigation and search.
pub(super) fn no_page(admin: &Arc<Admin>, head: &Parts) -> Response {
    let main = html! { p { (Refusal::NO_PAGE.sentence()) "." } };
    let page = PageRequest::of(admin, head).page("There is nothing here", Section::Nowhere, &main);
    (StatusCode::NOT_FOUND, page).into_response()
}

fn is_change(head: &Parts) -> bool {
    head.method != Method::GET && head.method != Method::HEAD
}

/// The body of a form that a page of this port sent.
async fn checked_form(head: &Parts, body: Body, csrf: &str) -> Result<Bytes, Refusal> {
    if !is_from_this_port(head) {
        return Err(Refusal::OTHER_SITE);
    }
    let body = collected(body, FORM_BYTES).await?;
    let shown = form_value(&body, CSRF);
    if !shown.is_some_and(|shown| session::constant_time_eq(&shown, csrf)) {
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
pub(super) fn is_from_this_port(head: &Parts) -> bool {
    browser::site(head) == Site::Here
}

/// Redirects a visitor without access to the login, unless a login would not help.
pub(super) fn reject(head: &Parts, refusal: &Refusal) -> Response {
    let here = path_and_query(&head.uri);
    if *refusal != Refusal::NO_TOKEN || is_change(head) {
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
