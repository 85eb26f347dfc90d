//! The first page: what is wrong, in words and before all else; then how events come and go.

use axum::Extension;
use maud::html;

use super::frame::Section;
use super::say;
use super::visit::{Answer, Visit};

/// The page.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Answer {
    let status = visit.admin.outbox.status().await?;
    let main = html! {
        dl.figures {
            @for (name, count) in &status.audit {
                div { dt { (name) } dd { (say::count(*count)) } }
            }
        }
    };
    Ok(visit.page("Overview", Section::Overview, &main))
}
