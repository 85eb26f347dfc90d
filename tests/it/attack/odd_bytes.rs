//! Answers that no server should write: cut, wrong, endless, or no HTTP at all.

use std::time::Duration;

use super::double::Answer;

const TICK: Duration = Duration::from_millis(20);

type Named = (&'static str, Answer);

/// Odd bytes by their names. Those that are a 202 all the same come with its effect, for they are no lie.
pub(super) fn odd_bytes() -> Vec<(String, Answer)> {
    let named = [lengths(), versions(), sizes()].into_iter().flatten();
    named.map(|(name, answer)| (name.to_owned(), answer)).collect()
}

fn raw(text: &str) -> Answer {
    Answer::raw(text.as_bytes())
}

fn good(text: &str) -> Answer {
    raw(text).but_done()
}

/// Cut, or with a wrong length.
fn lengths() -> Vec<Named> {
    vec![
        ("nothing", raw("")),
        ("head cut", raw("HTTP/1.1 202 Acc")),
        ("headers cut", raw("HTTP/1.1 202 Accepted\r\nContent-Le")),
        (
            "body cut",
            raw("HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nabc").but_done(),
        ),
        (
            "error cut",
            raw("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{\"errors\":["),
        ),
        (
            "length too small",
            good("HTTP/1.1 202 Accepted\r\nContent-Length: 1\r\n\r\nabc"),
        ),
        (
            "two lengths",
            raw("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nContent-Length: 7\r\n\r\n"),
        ),
        (
            "length no number",
            raw("HTTP/1.1 202 Accepted\r\nContent-Length: many\r\n\r\n"),
        ),
        (
            "length negative",
            raw("HTTP/1.1 202 Accepted\r\nContent-Length: -1\r\n\r\n"),
        ),
    ]
}

/// Of another version, another status, or no HTTP at all.
fn versions() -> Vec<Named> {
    vec![
        ("HTTP/1.0 202", good("HTTP/1.0 202 Accepted\r\n\r\n")),
        ("HTTP/1.0 500", raw("HTTP/1.0 500 Oops\r\n\r\nOops")),
        ("HTTP/0.9", raw("202 Accepted")),
        ("HTTP/3.0", raw("HTTP/3.0 202 Accepted\r\nContent-Length: 0\r\n\r\n")),
        ("100 and no more", raw("HTTP/1.1 100 Continue\r\n\r\n")),
        (
            "100, then 202",
            good("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "103, then 202",
            good("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "101",
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        ),
        ("status 99", raw("HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n")),
        ("status 1000", raw("HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n")),
        (
            "status no number",
            raw("HTTP/1.1 abc Word\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "header without a colon",
            raw("HTTP/1.1 202 Accepted\r\nno header\r\n\r\n"),
        ),
        ("header with NUL", raw("HTTP/1.1 202 Accepted\r\nX: a\0b\r\n\r\n")),
        ("NULs", Answer::raw(vec![0; 1000])),
        ("a TLS alert", Answer::raw([0x15, 3, 1, 0, 2, 2, 40])),
        ("HTTP/2 settings", Answer::raw([0, 0, 0, 4, 0, 0, 0, 0, 0])),
    ]
}

/// Too large, too slow, or wrongly coded.
fn sizes() -> Vec<Named> {
    let many = |text: &str, times| text.repeat(times);
    let large = many("x", 50 << 20);
    let large = format!(
        "HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    vec![
        (
            "a header of 1 MB",
            raw(&format!(
                "HTTP/1.1 202 Accepted\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
                many("x", 1 << 20)
            )),
        ),
        (
            "10,000 headers",
            raw(&format!("HTTP/1.1 202 Accepted\r\n{}\r\n", many("X: y\r\n", 10_000))),
        ),
        (
            "chunks cut",
            good("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        ),
        (
            "a chunk's size no number",
            raw("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        ),
        (
            "202 gzip that is none",
            good("HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
        ),
        (
            "500 gzip that is none",
            raw("HTTP/1.1 500 Oops\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
        ),
        (
            "two answers",
            good("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("202 with 50 MB", Answer::raw(large).but_done()),
        (
            "202 trickled",
            Answer::trickled("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 1, TICK).but_done(),
        ),
        (
            "trickled for 40 s",
            Answer::trickled("HTTP/1.1 202 Accepted\r\nX: ".to_owned() + &many("x", 2000), 1, TICK),
        ),
    ]
}
