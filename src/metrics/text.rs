//! Prometheus' own text format, from OpenMetrics, which is all that the registry writes. The two differ in little: a
//! counter is named with its `_total` there, and there is no end mark.
//! Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

/// The same numbers in format 0.0.4.
pub(super) fn prometheus(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics.lines().filter_map(counter).collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line == "# EOF" {
            continue;
        }
        let mut words = line.splitn(4, ' ');
        match [words.next(), words.next(), words.next(), words.next()] {
            [Some("#"), Some(keyword @ ("HELP" | "TYPE")), Some(name), Some(rest)] if counters.contains(&name) => {
                text.extend(["# ", keyword, " ", name, "_total ", rest, "\n"]);
            }
            _ => text.extend([line, "\n"]),
        }
    }
    text
}

/// The name of the counter that a line declares.
fn counter(line: &str) -> Option<&str> {
    line.strip_prefix("# TYPE ")?.strip_suffix(" counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_declared_by_their_whole_name() {
        let open_metrics = "# HELP a Counts.\n# TYPE a counter\na_total{b=\"# EOF\"} 1\n\
                            # HELP aa Is.\n# TYPE aa gauge\naa 2\n# EOF\n";
        let expected = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{b=\"# EOF\"} 1\n\
                        # HELP aa Is.\n# TYPE aa gauge\naa 2\n";
        assert_eq!(prometheus(open_metrics), expected);
    }
}
