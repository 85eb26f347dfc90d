//! Values over time as the paths of an SVG. Pure: it has no notion of times and units.

/// The width of the drawing, in its own units.
pub(super) const WIDTH: f64 = 600.0;
/// Its height.
pub(super) const HEIGHT: f64 = 100.0;
/// The length of the line that shows a point without neighbours.
const ALONE: f64 = 8.0;

#[expect(clippy::cast_precision_loss, reason = "a drawing is no more exact than its pixels")]
pub(super) fn as_float(number: i64) -> f64 {
    number as f64
}

/// The sections of a line in which all values are known, as points of the drawing.
fn stretches(values: &[Option<f64>], top: f64) -> Vec<Vec<(f64, f64)>> {
    let steps = values.len().saturating_sub(1).max(1);
    let across = WIDTH / as_float(i64::try_from(steps).unwrap_or(1));
    let high = |value: f64| {
        if top > 0.0 {
            HEIGHT * (1.0 - value / top)
        } else {
            HEIGHT
        }
    };
    let point = |(at, value): (usize, &Option<f64>)| {
        let x = across * as_float(i64::try_from(at).unwrap_or(0));
        value.map(|value| (x, high(value)))
    };
    let points: Vec<_> = values.iter().enumerate().map(point).collect();
    let known = points.split(Option::is_none).filter(|points| !points.is_empty());
    known.map(|points| points.iter().flatten().copied().collect()).collect()
}

/// The line through the values, as the path of an SVG; `top` is the value at its upper edge.
pub(super) fn outline(values: &[Option<f64>], top: f64) -> String {
    let drawn = stretches(values, top).into_iter().map(|stretch| {
        let drawn = format!("M{}", points(&stretch));
        // A single point is drawn as a short line, because a path of one point is invisible.
        match stretch[..] {
            [(x, _)] if x > ALONE => format!("{drawn}H{:.0}", x - ALONE),
            [(x, _)] => format!("{drawn}H{:.0}", x + ALONE),
            _ => drawn,
        }
    });
    drawn.collect::<Vec<_>>().concat()
}

/// The area below that line.
pub(super) fn area(values: &[Option<f64>], top: f64) -> String {
    let drawn = stretches(values, top).into_iter().map(|stretch| {
        let [first, last] = [stretch.first(), stretch.last()].map(|end| end.map_or(0.0, |(x, _)| *x));
        let points = points(&stretch);
        format!("M{first:.0} {HEIGHT}L{points}L{last:.0} {HEIGHT}Z")
    });
    drawn.collect::<Vec<_>>().concat()
}

fn points(stretch: &[(f64, f64)]) -> String {
    let points = stretch.iter().map(|(x, y)| format!("{x:.0} {y:.1}"));
    points.collect::<Vec<_>>().join("L")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_known_the_line_has_a_gap() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0), None];
        assert_eq!(outline(&values, 10.0), "M0 100.0L150 0.0M450 50.0H442");
        assert_eq!(
            area(&values, 10.0),
            "M0 100L0 100.0L150 0.0L150 100ZM450 100L450 50.0L450 100Z"
        );
        assert_eq!(outline(&[None, None], 0.0), "");
    }
}
