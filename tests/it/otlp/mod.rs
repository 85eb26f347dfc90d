//! Traces: what a collector gets of a program that was built with them, and what one without reports.
//!
//! The former takes `--features otlp-tests`.

#[cfg(feature = "otlp-tests")]
mod collected;
#[cfg(feature = "otlp-tests")]
mod collector;

#[cfg(not(feature = "otlp"))]
#[test]
fn a_program_without_traces_reports_it_and_does_not_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let config = "[[ingest.sources]]\nname = \"a\"\nwrite_key = \"a\"\n[klaviyo]\nendpoint = \"sandbox\"\n\
                  [telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_klaviyo-relay"));
    let ran = serve.arg("serve").current_dir(folder.path()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let text = String::from_utf8(ran.stderr).unwrap();
    assert!(text.contains("telemetry.otlp_endpoint"), "{text}");
    assert!(text.contains("--features otlp"), "{text}");
    assert!(!folder.path().join("outbox.db").exists());
}
