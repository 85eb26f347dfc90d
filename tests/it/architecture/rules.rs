//! The rules of the structure, and what breaks them: functions over text, so that they can be shown a breach.

use std::collections::BTreeSet;

use super::source::{Import, Source};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;
/// Names that do not describe what is inside, and so collect everything.
const EMPTY_NAMES: [&str; 4] = ["util", "utils", "common", "misc"];

/// Each module and the modules it may use; `*` is all of them.
pub(crate) const MODULES: [(&str, &[&str]); 22] = [
    ("model", &[]),
    ("escape", &[]),
    ("json", &[]),
    ("clock", &["model"]),
    ("listener", &["clock"]),
    ("segment", &["model", "json"]),
    ("config", &["model"]),
    ("klaviyo", &["model", "json"]),
    ("mapper", &["model", "config", "klaviyo", "segment"]),
    ("metrics", &["model", "clock"]),
    ("outbox", &["model", "config", "clock", "metrics"]),
    (
        "ingest",
        &[
            "model",
            "config",
            "outbox",
            "segment",
            "clock",
            "listener",
            "metrics",
            "telemetry",
            "json",
        ],
    ),
    ("delivery", &["klaviyo", "model", "json"]),
    (
        "scheduler",
        &[
            "outbox",
            "mapper",
            "delivery",
            "klaviyo",
            "segment",
            "model",
            "config",
            "clock",
            "metrics",
            "telemetry",
        ],
    ),
    ("scheduler::policy", &["model", "config"]),
    ("sandbox", &["model", "clock", "listener", "json"]),
    (
        "operator",
        &[
            "outbox",
            "ingest",
            "scheduler",
            "mapper",
            "klaviyo",
            "segment",
            "model",
            "config",
            "clock",
            "escape",
            "json",
        ],
    ),
    (
        "admin",
        &[
            "operator",
            "outbox",
            "sandbox",
            "metrics",
            "model",
            "config",
            "clock",
            "listener",
            "json",
            "telemetry",
        ],
    ),
    (
        "console",
        &[
            "admin", "operator", "sandbox", "metrics", "model", "config", "listener", "json",
        ],
    ),
    ("telemetry", &["config", "escape"]),
    ("cli", &["*"]),
    ("app", &["*"]),
];

/// What only some modules may name, and why those.
const RESERVED: [(Reserved, &[&str], &str); 5] = [
    (Reserved::Crate("sqlx"), &["outbox"], "SQL stands in one place"),
    (Reserved::Crate("reqwest"), &["delivery"], "requests leave in one place"),
    (
        Reserved::Path(["std", "env"]),
        &["config", "cli", "app", "outbox"],
        "the environment is read by config; the edges read how they were started",
    ),
    (
        Reserved::Path(["std", "fs"]),
        &["config", "cli", "app", "outbox", "listener"],
        "config reads its file; the outbox has a lock file and reads the free disk space; the listener reads its \
         certificate; the edges make folders",
    ),
    (
        Reserved::Path(["tokio", "fs"]),
        &["config", "cli", "app", "outbox"],
        "as std::fs",
    ),
];

enum Reserved {
    /// A crate, wherever it is named, in test modules too.
    Crate(&'static str),
    /// A part of a crate, outside of test modules.
    Path([&'static str; 2]),
}

/// A Rust file of the project.
pub(crate) struct File {
    /// Relative to the project's root.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// The module a file of `src` belongs to; `None` for `lib.rs`, `main.rs` and files outside of `src`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let nested = MODULES.iter().find(|(name, _)| {
            let folder = name.replace("::", "/");
            name.contains("::") && inside.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'))
        });
        if let Some((name, _)) = nested {
            return Some(name);
        }
        let first = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(first, "lib" | "main")).then_some(first)
    }

    pub(crate) fn is_test_module(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    pub(crate) fn source(&self) -> Source {
        Source::new(&self.text, self.depth())
    }

    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
        inside.split('/').count()
    }

    /// The imports from the crate's root; for a file of a module inside another (`scheduler::policy`), also those that
    /// reach the outer module by `super`, which that module may not use.
    fn imports(&self, module: &str) -> Vec<Import> {
        let mut imports = self.source().imports();
        if let Some((_, inner)) = module.split_once("::") {
            let outer = Source::new(&self.text, self.depth() - 1).imports().into_iter();
            imports.extend(outer.filter(|import| import.through_super && import.target != inner));
        }
        imports
    }
}

/// The imports of a file that its module may not have, and how many it has in all.
pub(crate) fn wrong_imports(file: &File) -> (Vec<String>, usize) {
    let Some(module) = file.module().filter(|_| !file.is_test_module()) else {
        return (Vec::new(), 0);
    };
    let Some((_, may_use)) = MODULES.iter().find(|(name, _)| *name == module) else {
        return (
            vec![format!("{}: {module} is not in the table of modules", file.path)],
            0,
        );
    };
    let imports = file.imports(module);
    let wrong = imports.iter().filter(|import| {
        let target = import.target.as_str();
        let is_module = MODULES.iter().any(|(name, _)| *name == target);
        let allowed = may_use.contains(&"*") || may_use.contains(&target) || target == module;
        !(is_module && allowed)
    });
    let wrong = wrong.map(|import| format!("{}:{}: {module} may not use {}", file.path, import.line, import.target));
    (wrong.collect(), imports.len())
}

/// The permissions of the table that no file uses.
pub(crate) fn unused_permissions(files: &[File]) -> Vec<String> {
    let program = files.iter().filter(|file| !file.is_test_module());
    let used: BTreeSet<(String, String)> = program
        .filter_map(|file| Some((file.module()?, file.source().imports())))
        .flat_map(|(module, imports)| {
            let module = module.to_owned();
            imports.into_iter().map(move |import| (module.clone(), import.target))
        })
        .collect();
    let granted = MODULES
        .iter()
        .flat_map(|(module, may_use)| may_use.iter().map(move |of| (*module, *of)));
    granted
        .filter(|(module, of)| *of != "*" && !used.contains(&((*module).to_owned(), (*of).to_owned())))
        .map(|(module, of)| format!("{module} may use {of} and does not"))
        .collect()
}

/// The places where a file names what is reserved for other modules.
pub(crate) fn wrong_uses_of_the_reserved(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for (reserved, modules, reason) in &RESERVED {
        if file.module().is_some_and(|module| modules.contains(&module)) {
            continue;
        }
        let (lines, name) = match reserved {
            Reserved::Crate(word) => (file.source().words(word), (*word).to_owned()),
            Reserved::Path(_) if file.is_test_module() => continue,
            Reserved::Path(path) => (file.source().uses_of(*path), path.join("::")),
        };
        wrong.extend(
            lines
                .iter()
                .map(|line| format!("{}:{line}: {name} is for {}: {reason}", file.path, modules.join(", "))),
        );
    }
    wrong
}

/// What is wrong with a file's opening, its length, its functions' and its name.
pub(crate) fn wrong_shape(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    if !file.text.starts_with("//! ") {
        wrong.push(format!("{} does not open with //!", file.path));
    }
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        wrong.push(format!("{} has {lines} lines", file.path));
    }
    for function in file.source().functions() {
        if function.lines > MAX_FUNCTION_LINES {
            let (line, name, lines) = (function.line, &function.name, function.lines);
            wrong.push(format!("{}:{line}: {name} has {lines} lines", file.path));
        }
    }
    let mut names = file.path.trim_end_matches(".rs").split('/');
    if names.any(|name| EMPTY_NAMES.contains(&name)) {
        wrong.push(format!("{}: its name does not say what it is for", file.path));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every check reports about a file.
    fn planted(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut wrong = wrong_imports(&file).0;
        wrong.extend(wrong_uses_of_the_reserved(&file));
        wrong.extend(wrong_shape(&file));
        wrong
    }

    /// A path, a text, and what is wrong with it.
    const BREACHES: &[[&str; 3]] = &[
        [
            "src/mapper/track.rs",
            "//! x\nuse crate::outbox::Outbox;",
            "src/mapper/track.rs:2: mapper may not use outbox",
        ],
        [
            "src/mapper/track.rs",
            "//! x\nuse super::super::outbox;",
            "src/mapper/track.rs:2: mapper may not use outbox",
        ],
        [
            "src/model/mod.rs",
            "//! x\nuse super::clock::Clock;",
            "src/model/mod.rs:2: model may not use clock",
        ],
        [
            "src/scheduler/mod.rs",
            "//! x\nuse crate::{model, cli};",
            "src/scheduler/mod.rs:2: scheduler may not use cli",
        ],
        [
            "src/scheduler/policy/retry.rs",
            "//! x\nuse crate::outbox::Outbox;",
            "src/scheduler/policy/retry.rs:2: scheduler::policy may not use outbox",
        ],
        [
            "src/scheduler/policy/limits/pace.rs",
            "//! x\nuse super::super::super::context;",
            "src/scheduler/policy/limits/pace.rs:2: scheduler::policy may not use context",
        ],
        [
            "src/cli/show.rs",
            "//! x\nuse crate::*;",
            "src/cli/show.rs:2: cli may not use *",
        ],
        [
            "src/mailer.rs",
            "//! x\n",
            "src/mailer.rs: mailer is not in the table of modules",
        ],
        [
            "src/scheduler/mod.rs",
            "//! x\nuse sqlx::Row;",
            "src/scheduler/mod.rs:2: sqlx is for outbox: SQL stands in one place",
        ],
        [
            "src/cli/check.rs",
            "//! x\nfn f() { reqwest::get(1) }",
            "src/cli/check.rs:2: reqwest is for delivery: requests leave in one place",
        ],
        ["src/model/time.rs", "x", "src/model/time.rs does not open with //!"],
        [
            "src/scheduler/utils.rs",
            "//! x\n",
            "src/scheduler/utils.rs: its name does not say what it is for",
        ],
    ];

    #[test]
    fn a_planted_breach_is_caught() {
        for [path, text, breach] in BREACHES {
            assert_eq!(planted(path, text), [*breach]);
        }
        let files = planted("src/mapper/mod.rs", "//! x\nuse std::{env, fs};");
        assert_eq!(files.len(), 2, "{files:?}");
    }

    #[test]
    fn what_is_too_long_is_caught() {
        let function = |lines: usize| format!("//! x\nfn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert_eq!(planted("src/model/mod.rs", &function(70)), [""; 0]);
        assert_eq!(
            planted("src/model/mod.rs", &function(71)),
            ["src/model/mod.rs:2: f has 71 lines"]
        );
        let file = |lines: usize| format!("//! x\n{}", "const A: u8 = 1;\n".repeat(lines - 1));
        assert_eq!(planted("src/model/mod.rs", &file(500)), [""; 0]);
        assert_eq!(
            planted("src/model/mod.rs", &file(501)),
            ["src/model/mod.rs has 501 lines"]
        );
    }

    #[test]
    fn what_is_allowed_is_let_through() {
        assert_eq!(planted("src/mapper/mod.rs", "//! x\nuse crate::klaviyo::X;"), [""; 0]);
        assert_eq!(
            planted("src/mapper/tests.rs", "//! x\nuse std::fs;\nuse crate::outbox::X;"),
            [""; 0]
        );
        assert_eq!(
            planted("src/cli/show.rs", "//! x\nuse std::fs;\nuse crate::outbox::X;"),
            [""; 0]
        );
    }
}
