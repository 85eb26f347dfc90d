//! Secrets: from the environment as `"env:NAME"`, or in the file as they are; never shown again.
//!
//! A secret's value appears in no error, warning or `Debug`: the checks here say what is wrong with it in words of
//! their own. Uses no other module.

use secrecy::SecretString;

use super::section::{Entry, Section};
use super::suggest::PRIVATE_KEY_PREFIX;

/// Marks a value that names a variable of the environment.
const FROM_ENVIRONMENT: &str = "env:";

/// What is allowed for a secret, and the other place it can come from.
pub(super) fn or_env(allowed: &str) -> String {
    format!("{allowed}, or \"env:NAME\" to take it from the environment")
}

/// Looks a name up in the environment of this process. `None` when it is not set, or is not UTF-8.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Section<'_> {
    /// A secret that passes `check`, whose answer must not quote it.
    pub(super) fn secret(
        &self,
        key: &'static str,
        allowed: &str,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Option<SecretString> {
        self.value(key, &or_env(allowed), |entry| {
            let (value, from) = self.resolve(key, entry)?;
            unquoted(&value)
                .and_then(|()| check(&value))
                .map_err(|what| match from {
                    Some(variable) => {
                        format!("comes from the environment variable {variable} and {what}")
                    }
                    None => what,
                })?;
            Ok(SecretString::from(value))
        })
    }

    /// The secret's value, and the variable it came from.
    fn resolve<'e>(
        &self,
        key: &str,
        entry: &Entry<'e>,
    ) -> Result<(String, Option<&'e str>), String> {
        let text = entry
            .value()
            .as_str()
            .ok_or_else(|| format!("{}, not text in quotes", entry.kind()))?;
        let Some(variable) = text.strip_prefix(FROM_ENVIRONMENT) else {
            self.note_literal_secret(key);
            return Ok((text.to_owned(), None));
        };
        if !is_variable_name(variable) {
            return Err(
                "has something after env: that is no variable's name; it is not shown, since it may be the secret"
                    .to_owned(),
            );
        }
        let value = self.environment(variable).ok_or_else(|| {
            format!("names the environment variable {variable}, which is not set")
        })?;
        // Files that are mounted or read into variables tend to end in a newline that no key has.
        let value = value.trim();
        if value.is_empty() {
            return Err(format!(
                "names the environment variable {variable}, which is empty"
            ));
        }
        Ok((value.to_owned(), Some(variable)))
    }
}

/// A value in quotes is one whose quotes were kept by mistake: `docker run --env-file` and `export` in a file do.
fn unquoted(value: &str) -> Result<(), String> {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if inner('"').or_else(|| inner('\'')).is_some() {
        return Err(
            "begins and ends with a quote, which would be part of it: leave the quotes out \
                    (`docker run --env-file` keeps them)"
                .to_owned(),
        );
    }
    Ok(())
}

fn is_variable_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter)
        && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        && !name.starts_with(PRIVATE_KEY_PREFIX)
}

/// What every secret must be to travel in an HTTP header.
pub(super) fn is_header_safe(secret: &str) -> bool {
    secret.chars().all(|c| c.is_ascii_graphic())
}
