//! The warnings and rules of a request. Warnings are always collected, rules only for an explanation: otherwise an
//! event allocates no rule, nor a place or text of one.

use super::limits;
use super::reasons::Rejection;
use super::rule::{Origin, Rule, Sourced};
use super::warning::Warning;
use super::{Input, Planned};
use crate::klaviyo::Request;
use crate::segment::member;

/// Collects the warnings of a request, and the rules of its fields if they are wanted.
pub(super) struct Sink {
    explain: bool,
    pub(super) rules: Vec<Rule>,
    pub(super) warnings: Vec<Warning>,
}

impl Sink {
    /// `explain`: whether rules are wanted.
    pub(super) const fn new(explain: bool) -> Self {
        Self {
            explain,
            rules: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// An empty one for another request, with rules where this one has them.
    pub(super) const fn another(&self) -> Self {
        Self::new(self.explain)
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// An origin, made only if rules are wanted.
    pub(super) fn origin(&self, make: impl FnOnce() -> Origin) -> Option<Origin> {
        self.explain.then(make)
    }

    /// The request with all of it.
    pub(super) fn planned(self, request: Request, rejected: Option<Rejection>, input: &Input<'_>) -> Planned {
        let body = request.body();
        let bytes = body.as_ref().map_or(0, String::len);
        let rejected = rejected.or_else(|| limits::check(&request, bytes, input.received_at));
        Planned {
            request,
            body,
            rejected,
            warnings: self.warnings,
            rules: self.rules,
        }
    }

    /// The value for a field, whose rule is added.
    pub(super) fn take<T>(&mut self, parent: &str, field: &str, from: Sourced<T>) -> T {
        self.rule(parent, field, from.origin);
        from.value
    }

    /// Adds the rule of a field, whose JSON pointer is `parent/field`. Without an origin there is none.
    pub(super) fn rule(&mut self, parent: &str, field: &str, origin: Option<Origin>) {
        let field = |origin| Rule {
            field: format!("{parent}/{field}"),
            origin,
        };
        self.rules.extend(origin.map(field));
    }

    /// Adds the rule of a property, whose name may hold anything, in the object at this JSON pointer.
    pub(super) fn property(&mut self, parent: &str, name: &str, origin: Option<Origin>) {
        let field = |origin| Rule {
            field: member(parent, name),
            origin,
        };
        self.rules.extend(origin.map(field));
    }
}
