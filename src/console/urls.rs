//! Addresses of this port's pages. Pure.

/// An address of this port.
pub fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    match serde_urlencoded::to_string(pairs) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        Ok(_) | Err(_) => path.to_owned(),
    }
}

/// The path of the login form that returns to `next`.
pub(super) fn login(next: &str) -> String {
    address("/login", &[("next", next)])
}
