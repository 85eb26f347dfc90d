//! How Klaviyo answers when it took a request: for each endpoint the documented status and form of body.
//!
//! Source: Klaviyo's published API description of revision 2026-07-15 and the SDK models of 2026-10-15.

use super::answer::Form;

/// The answer by which an endpoint accepts a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Success {
    /// The HTTP statuses, one or two.
    pub statuses: &'static [u16],
    /// The form of the body.
    pub body: SuccessBody,
}

/// The form of an accepting answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessBody {
    /// No body is described. A JSON:API document without errors does no harm: Klaviyo may add one, such as hints in
    /// `meta`, without a new revision.
    Empty,
    /// A JSON:API document with `data`.
    Document,
    /// A JSON:API document with one resource, which has an id.
    Resource,
}

impl Success {
    /// Events and jobs without an id: accepted, to be processed later.
    pub const ACCEPTED: Self = Self::of(&[202], SuccessBody::Empty);
    /// An import job, which has an id to poll it by.
    pub const JOB: Self = Self::of(&[202], SuccessBody::Resource);
    /// A profile that was updated (200) or created (201).
    pub const PROFILE: Self = Self::of(&[200, 201], SuccessBody::Resource);
    /// A list's members: done, without a body.
    pub const NO_CONTENT: Self = Self::of(&[204], SuccessBody::Empty);
    /// The resources that were read.
    pub const READ: Self = Self::of(&[200], SuccessBody::Document);
    /// One resource that was read by its id.
    pub const READ_ONE: Self = Self::of(&[200], SuccessBody::Resource);

    const fn of(statuses: &'static [u16], body: SuccessBody) -> Self {
        Self { statuses, body }
    }

    /// The statuses in words: `202`, `200 or 201`.
    pub fn due(self) -> String {
        let statuses: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
        statuses.join(" or ")
    }
}

impl SuccessBody {
    /// Whether a body of this form belongs to an accepting answer.
    pub fn fits(self, form: &Form) -> bool {
        match (self, form) {
            (Self::Empty, Form::Empty | Form::Document(_)) => true,
            (Self::Document, Form::Document(document)) => document.get("data").is_some(),
            (Self::Resource, Form::Document(_)) => form.resource_id().is_some(),
            (
                Self::Empty | Self::Document | Self::Resource,
                Form::Empty | Form::Errors(_) | Form::Message(_) | Form::Html | Form::OtherJson | Form::NotJson,
            ) => false,
        }
    }

    /// In words, after "where" and before "is due".
    pub const fn due(self) -> &'static str {
        match self {
            Self::Empty => "no body",
            Self::Document => "a document with data",
            Self::Resource => "a document with an id",
        }
    }
}
