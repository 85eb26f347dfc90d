//! The frame of every page: head, navigation, search, and the notices that all pages show.

use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, SCRIPT, STYLE};

/// The section of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Problems and traffic.
    Overview,
    /// The event list, and one event.
    Events,
    /// Dead events.
    Dead,
    /// Blocked queues.
    Blocked,
    /// Tries a call before it is sent.
    Try,
    /// The sandbox of this process.
    Sandbox,
    /// No section.
    Nowhere,
}

impl Section {
    const ALL: [Self; 6] = [
        Self::Overview,
        Self::Events,
        Self::Dead,
        Self::Blocked,
        Self::Try,
        Self::Sandbox,
    ];

    const fn link(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("/", "Overview"),
            Self::Events => ("/events", "Events"),
            Self::Dead => ("/dead", "Dead letters"),
            Self::Blocked => ("/blocked", "Blocked"),
            Self::Try => ("/try", "Try an event"),
            Self::Sandbox => ("/sandbox", "Sandbox"),
            Self::Nowhere => ("/", ""),
        }
    }
}

/// What the frame shows of the daemon and the session.
pub(super) struct FrameContext {
    /// The sandbox is in this process.
    pub(super) in_program: bool,
    /// Requests go to a sandbox, in this process or at a URL.
    pub(super) sandbox: bool,
    /// The CSRF field of the logout form, if there is a session.
    pub(super) logout: Option<Markup>,
}

/// A page with the navigation.
pub(super) fn document(
    title: &str,
    section: Section,
    context: &FrameContext,
    flash: Option<&str>,
    main: &Markup,
) -> Markup {
    let FrameContext {
        in_program,
        sandbox,
        logout,
    } = context;
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, None))
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src=(ICON.path) alt="" width="24" height="24"; "klaviyo-relay" }
                    nav aria-label="Pages" {
                        @for of in Section::ALL {
                            @if of != Section::Sandbox || *in_program { (nav_link(of, section)) }
                        }
                    }
                    form.search role="search" action="/events" method="get" {
                        label.quiet for="q" { "Find an event" }
                        input #q type="search" name="q" placeholder="Order, e-mail, user or message id" autocomplete="off";
                    }
                    @if let Some(csrf) = logout {
                        form method="post" action="/logout" { (csrf) button.plain { "Log out" } }
                    }
                }
                @if *sandbox {
                    p.banner role="status" {
                        strong { "Nothing reaches Klaviyo." }
                        " Requests go to " @if *in_program { "the sandbox in this program; " } @else { "a sandbox at a URL; " } code { "[klaviyo] endpoint" } " changes that."
                    }
                }
                main #main tabindex="-1" {
                    h1 { (title) }
                    @if let Some(words) = flash { p.note.good role="status" { (words) } }
                    (main)
                }
            }
        }
    }
}

/// A page without navigation, for a client that is not logged in or is refused. `again`: the address that the browser
/// opens at once.
pub(super) fn bare(title: &str, main: &Markup, again: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, again))
            body.bare {
                main #main {
                    p.brand { img src=(ICON.path) alt="" width="24" height="24"; "klaviyo-relay" }
                    h1 { (title) }
                    (main)
                }
            }
        }
    }
}

fn head(title: &str, again: Option<&str>) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            @if let Some(again) = again { meta http-equiv="refresh" content={ "0;url=" (again) }; }
            title { (title) " · klaviyo-relay" }
            link rel="icon" type="image/svg+xml" href=(ICON.path);
            link rel="stylesheet" href=(STYLE.path);
            script src=(SCRIPT.path) defer {}
        }
    }
}

fn nav_link(of: Section, here: Section) -> Markup {
    let (path, name) = of.link();
    let current = (of == here).then_some("page");
    html! { a href=(path) aria-current=[current] { (name) } }
}
