//! Secrets: from the environment as `"env:NAME"`, from a file as `"file:PATH"`, or as they are; never shown again.
//!
//! A secret's value appears in no error, warning or `Debug`: the checks here describe what is wrong without quoting it.
//! What a secret refers to is read where secrets are wanted, and left alone elsewhere. Uses no other module.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::document::Secrets;
use super::section::Entry;
use super::setting::{Setting, scalar};
use super::suggest::PRIVATE_KEY_PREFIX;

/// Marks a value that names a variable of the environment.
const FROM_ENVIRONMENT: &str = "env:";
/// Marks a value that names a file.
const FROM_FILE: &str = "file:";
/// No secret is as long; a file that is longer was named by mistake.
const MAX_BYTES: u64 = 64 << 10;

/// Where a secret came from, and so how it is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SecretOrigin {
    /// It stands in the configuration itself, or there is none.
    #[default]
    Configuration,
    /// A variable of the environment, which a process has from its start.
    Environment(String),
    /// A file, which is read again with the configuration.
    File(PathBuf),
}

/// What is allowed for a secret, and the other places it can come from.
pub(super) fn allowed_or_reference(allowed: &str) -> String {
    format!("{allowed}, or \"env:NAME\" to take it from the environment, or \"file:PATH\" from a file")
}

/// Looks a name up in the environment of this process. `None` when it is not set, or is not UTF-8.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A secret that passes `check`, whose answer must not quote it.
pub(super) fn secret(allowed: &str, check: fn(&str) -> Result<(), String>) -> Setting<SecretString> {
    let read = move |entry: &Entry<'_>| {
        let text = text_of(entry)?;
        let origin = origin(entry)?;
        if origin != SecretOrigin::Configuration && matches!(entry.document.secrets, Secrets::Unused) {
            return Ok(SecretString::from(text));
        }
        let value = resolve(entry, text, &origin)?;
        check_no_quotes(&value)
            .and_then(|()| check(&value))
            .map_err(|what| match &origin {
                SecretOrigin::Configuration => what,
                SecretOrigin::Environment(variable) => {
                    format!("comes from the environment variable {variable} and {what}")
                }
                SecretOrigin::File(file) => format!("comes from the file {} and {what}", file.display()),
            })?;
        Ok(SecretString::from(value))
    };
    scalar(allowed_or_reference(allowed), read, |secret: &SecretString| {
        format!("{:?}", secret.expose_secret())
    })
}

/// Where a secret comes from.
pub(super) fn origin(entry: &Entry<'_>) -> Result<SecretOrigin, String> {
    let text = text_of(entry)?;
    if let Some(variable) = text.strip_prefix(FROM_ENVIRONMENT) {
        if !is_variable_name(variable) {
            return Err(
                "has something after env: that is no variable's name; it is not shown, since it may be the secret"
                    .to_owned(),
            );
        }
        return Ok(SecretOrigin::Environment(variable.to_owned()));
    }
    if let Some(path) = text.strip_prefix(FROM_FILE) {
        if path.trim().is_empty() || path.starts_with(PRIVATE_KEY_PREFIX) {
            return Err(
                "has something after file: that is no path; it is not shown, since it may be the secret".to_owned(),
            );
        }
        return Ok(SecretOrigin::File(entry.document.folder.join(path)));
    }
    Ok(SecretOrigin::Configuration)
}

/// The secret that the file has, or refers to.
fn resolve(entry: &Entry<'_>, text: &str, origin: &SecretOrigin) -> Result<String, String> {
    let document = entry.document;
    let mut diagnostics = document.diagnostics.borrow_mut();
    let (reference, value) = match origin {
        SecretOrigin::Configuration => {
            diagnostics.literal_secrets.push(entry.path.clone());
            return Ok(text.to_owned());
        }
        SecretOrigin::Environment(variable) => {
            let reference = format!("names the environment variable {variable}");
            let value = match document.secrets {
                Secrets::Read(environment) => environment(variable),
                Secrets::Unused => None,
            };
            let value = value.ok_or_else(|| format!("{reference}, which is not set"))?;
            (reference, value)
        }
        SecretOrigin::File(file) => {
            let reference = format!("names the file {}", file.display());
            let value = contents(file).map_err(|why| format!("{reference}, which cannot be read: {why}"))?;
            diagnostics.secret_files.push((entry.path.clone(), file.clone()));
            (reference, value)
        }
    };
    // Files that are mounted or read into variables tend to end in a newline that no key has.
    match value.trim() {
        "" => Err(format!("{reference}, which is empty")),
        value => Ok(value.to_owned()),
    }
}

/// A value in quotes is one whose quotes were kept by mistake: `docker run --env-file` and `export` in a file do.
fn check_no_quotes(value: &str) -> Result<(), String> {
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

fn text_of<'e>(entry: &Entry<'e>) -> Result<&'e str, String> {
    let text = entry.value.as_str();
    text.ok_or_else(|| format!("{}, not text in quotes", entry.kind()))
}

/// What a file of a secret holds.
fn contents(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(MAX_BYTES).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read >= MAX_BYTES) {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(text)
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
